// Values that have options of their own behind them: "VALUE, name=value, name=value". The same form for the
// lines of `filter=` and `policy-service=`.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "postoffice/base/text.h"

namespace postoffice {

template <class Settings>
struct NamedOption {
    std::string_view name;
    /// Returns what is wrong with the value, or "".
    std::string (*set)(Settings&, std::string_view value);
};

/// "a, b, c".
template <class Rows, class Name>
std::string list_of_names(const Rows& rows, Name Rows::value_type::*name) {
    std::string names;
    for (const auto& row : rows) names.append(names.empty() ? "" : ", ").append(row.*name);
    return names;
}

/// `text`: "name=value, ...". Returns what is wrong with it, or "". `owner`: the option of postoffice.cf.
template <class Settings, std::size_t count>
std::string set_named_options(Settings& settings, std::string_view text, std::string_view owner,
                              const std::array<NamedOption<Settings>, count>& known) {
    for (const auto option : split(text, ',')) {
        auto value = option;
        const auto name = trim(read_until(value, '='));
        const auto row =
            std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.name == name; });
        if (row == known.end())
            return fmt::format("\"{}\" is not an option of {}: {}", printable(name), owner,
                               list_of_names(known, &NamedOption<Settings>::name));
        if (auto problem = row->set(settings, trim(value)); !problem.empty())
            return fmt::format("{}: {}", name, problem);
    }
    return "";
}

template <class Flags>
struct NamedFlag {
    std::string_view word;
    bool Flags::*flag;
};

/// `value`: "word+word"; sets the flag of each. Returns what is wrong with it, or "".
template <class Flags, std::size_t count>
std::string set_flags(Flags& flags, std::string_view value,
                      const std::array<NamedFlag<Flags>, count>& known) {
    for (const auto part : split(value, '+')) {
        const auto word = trim(part);
        const auto row =
            std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.word == word; });
        if (row == known.end())
            return fmt::format("\"{}\" is none of {}", printable(word),
                               list_of_names(known, &NamedFlag<Flags>::word));
        flags.*(row->flag) = true;
    }
    return "";
}

/// Sets `flag` to whether the value is `yes`; it may be `no` as well.
inline std::string set_choice(bool& flag, std::string_view value, std::string_view yes, std::string_view no) {
    flag = value == yes;
    return value == yes || value == no
               ? ""
               : fmt::format("\"{}\" is neither {} nor {}", printable(value), no, yes);
}

}  // namespace postoffice
