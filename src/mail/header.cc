#include "postoffice/mail/header.h"

#include <algorithm>

namespace postoffice {
namespace {

constexpr std::string_view from_word = "From ";

bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/// ftext, RFC 5322 section 3.6.8.
bool is_name_octet(char c) {
    return c > ' ' && c <= '~' && c != ':';
}

/// `line` without the marks of an mbox in front of it.
std::string_view unquoted(std::string_view line) {
    return line.substr(std::min(line.find_first_not_of('>'), line.size()));
}

}  // namespace

std::string_view field_name(std::string_view line) {
    const auto begin = line.begin();
    const auto end = std::find_if_not(begin, line.end(), is_name_octet);
    const auto colon = std::find_if_not(end, line.end(), is_blank);
    if (end == begin || colon == line.end() || *colon != ':') return {};
    if (colon - begin >= static_cast<std::ptrdiff_t>(longest_field_name)) return {};
    return line.substr(0, static_cast<std::size_t>(end - begin));
}

bool is_mbox_from_line(std::string_view line) {
    line = unquoted(line);
    if (!line.starts_with(from_word)) return false;
    const auto word = line.find_first_not_of(" \t", from_word.size());
    return word != std::string_view::npos && line[word] != ':';
}

void append_mbox_line(std::string& text, std::string_view line, bool in_header) {
    if (unquoted(line).starts_with(from_word)) {
        const std::string_view name = in_header ? field_name(line) : std::string_view();
        if (name.empty()) {
            text += '>';
        } else {
            text.append(name);
            line.remove_prefix(line.find(':'));
        }
    }
    text.append(line);
}

std::optional<HeaderField> read_field(std::string_view& header) {
    const std::string_view name = field_name(header);
    if (name.empty()) return std::nullopt;
    std::size_t end = 0;
    do {
        const std::size_t newline = header.find('\n', end);
        end = newline == std::string_view::npos ? header.size() : newline + 1;
    } while (end < header.size() && is_blank(header[end]));
    const std::string_view text = header.substr(0, end);
    header.remove_prefix(end);
    return HeaderField{name, text, text.substr(text.find(':') + 1)};
}

}  // namespace postoffice
