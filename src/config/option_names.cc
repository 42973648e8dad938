// Names: older spellings, names that only other versions know, and what a wrong name may have meant.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "postoffice/base/text.h"
#include "postoffice/config/options.h"

namespace postoffice {

namespace {

struct OldSpelling {
    std::string_view old;
    std::string_view name;
    std::string_view prefix = "";  ///< of its values today
};
constexpr auto old_spellings = std::to_array<OldSpelling>({
    {"self", "hostname"},
    {"blacklist", "forbidden"},
    {"queuedir", "queue-dir"},
    {"junkfolder", "spam", "folder:"},
});

/// Options of other versions of postoffice. Saying so beats guessing at a misspelling.
constexpr auto options_of_other_versions = std::to_array<std::string_view>({
    "dead-letter",
    "mailq-users",
    "relay-auth",
    "relay-tls",
    "submit-limit",
    "t-arguments",
});

bool is_of_other_version(std::string_view name) {
    return std::find(options_of_other_versions.begin(), options_of_other_versions.end(), name) !=
           options_of_other_versions.end();
}

/// The nearest name of an option, if it is near enough to have been meant: "" otherwise.
std::string_view nearest_name(std::string_view name) {
    // The distance takes the product of both lengths; no option is a misspelling of something that long.
    if (name.size() > 40) return "";
    auto folded = to_lower(name);
    std::replace(folded.begin(), folded.end(), '_', '-');
    std::string_view nearest;
    std::size_t least = std::max<std::size_t>(2, name.size() / 3) + 1;
    for (const auto& option : option_table())
        if (const auto distance = edit_distance(folded, option.name); distance < least) {
            least = distance;
            nearest = option.name;
        }
    // Two letters of three changed is another word.
    return least < name.size() ? nearest : "";
}

}  // namespace

const Option* find_option(std::string_view name) {
    for (const auto& spelling : old_spellings)
        if (name == spelling.old) name = spelling.name;
    const auto options = option_table();
    const auto found = std::find_if(options.begin(), options.end(), [&](auto& o) { return o.name == name; });
    return found == options.end() ? nullptr : &*found;
}

std::string value_today(std::string_view name, std::string_view value) {
    for (const auto& spelling : old_spellings)
        if (name == spelling.old) return std::string(spelling.prefix).append(value);
    return std::string(value);
}

bool is_option_name(std::string_view name) {
    return find_option(name) || is_of_other_version(name);
}

std::string explain_unknown_option(std::string_view name) {
    if (is_of_other_version(name)) return fmt::format("{} is not available in this version", name);
    auto text = name.empty() ? std::string("the name of the option is missing")
                             : fmt::format("unknown option \"{}\"", printable(name.substr(0, 60)));
    if (name.size() > 1 && name[0] == '-') {
        const auto bare = name.substr(name.starts_with("-o") ? 2 : 1);
        if (find_option(bare))
            return text + fmt::format("; write {} without the hyphen of the command line", bare);
    }
    if (const auto nearest = nearest_name(name); !nearest.empty())
        text += fmt::format("; did you mean {}?", nearest);
    return text;
}

}  // namespace postoffice
