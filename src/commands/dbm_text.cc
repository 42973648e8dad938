#include "dbm_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"

namespace postoffice {
namespace {

bool is_octal(std::string_view digits) {
    return digits.size() == 3 && digits[0] <= '3' &&
           std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '7'; });
}

/// What a backslash before `rest` means, which is taken from it.
Result<char> read_escaped(std::string_view& rest) {
    const char letter = rest.empty() ? '\0' : rest.front();
    if (letter == 't' || letter == 'n' || letter == '\\') {
        rest.remove_prefix(1);
        return letter == 't' ? '\t' : letter == 'n' ? '\n' : '\\';
    }
    const std::string_view digits = rest.substr(0, 3);
    if (!is_octal(digits))
        return Problem{"a backslash is followed by t, n, a backslash or three octal digits"};
    rest.remove_prefix(3);
    return static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + (digits[2] - '0'));
}

}  // namespace

std::string to_dbm_text(std::string_view octets) {
    std::string text;
    text.reserve(octets.size());
    while (!octets.empty()) {
        const std::string_view before = octets;
        const auto character = read_character(octets);
        if (!character) octets.remove_prefix(1);
        const std::string_view one = before.substr(0, before.size() - octets.size());
        if (one == "\t")
            text += "\\t";
        else if (one == "\n")
            text += "\\n";
        else if (one == "\\")
            text += "\\\\";
        else if (character && !is_control(*character))
            text += one;
        else
            for (const char c : one) text += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    }
    return text;
}

Result<std::string> from_dbm_text(std::string_view text) {
    std::string octets;
    octets.reserve(text.size());
    while (!text.empty()) {
        const char c = text.front();
        text.remove_prefix(1);
        if (c != '\\') {
            octets += c;
            continue;
        }
        const auto meant = read_escaped(text);
        if (!meant) return Problem{meant.problem()};
        octets += *meant;
    }
    return octets;
}

std::string to_dbm_line(const DbmEntry& entry) {
    return to_dbm_text(entry.key) + "\t" + to_dbm_text(entry.value);
}

Result<DbmEntry> from_dbm_line(std::string_view line) {
    if (line.size() > longest_dbm_line)
        return Problem{fmt::format("the line is longer than {} octets", longest_dbm_line)};
    const std::size_t tab = line.find('\t');
    if (tab == line.npos) return Problem{"there is no tab between key and value"};
    auto key = from_dbm_text(line.substr(0, tab));
    if (!key) return Problem{key.problem()};
    auto value = from_dbm_text(line.substr(tab + 1));
    if (!value) return Problem{value.problem()};
    return DbmEntry{std::move(*key), std::move(*value)};
}

}  // namespace postoffice
