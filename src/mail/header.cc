#include "postoffice/mail/header.h"

#include <algorithm>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::string_view from_word = "From ";

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

bool is_continuation(std::string_view line) {
    return !line.empty() && is_blank(line.front());
}

bool HeaderField::is(std::string_view other_name) const {
    return equals_ignoring_case(name, other_name);
}

std::optional<HeaderField> read_field(std::string_view& header) {
    const std::string_view name = field_name(header);
    if (name.empty()) return std::nullopt;
    std::size_t end = 0;
    do {
        const std::size_t newline = header.find('\n', end);
        end = newline == std::string_view::npos ? header.size() : newline + 1;
    } while (is_continuation(header.substr(end)));
    const std::string_view text = header.substr(0, end);
    header.remove_prefix(end);
    return HeaderField{name, text, text.substr(text.find(':') + 1)};
}

std::optional<HeaderField> find_field(std::string_view header, std::string_view name) {
    while (const auto field = read_field(header))
        if (field->is(name)) return field;
    return std::nullopt;
}

bool has_field(std::string_view header, std::string_view name, std::string_view value) {
    while (const auto field = read_field(header))
        if (field->is(name) && equals_ignoring_case(field_value(field->body), value)) return true;
    return false;
}

std::string field_value(std::string_view body) {
    std::string value(trim(body));
    std::erase_if(value, [](char c) { return c == '\n' || c == '\r'; });
    return value;
}

std::string folded_field(std::string_view name, std::string_view value) {
    constexpr std::size_t width = 76;
    constexpr std::size_t longest_part = 450;  // blanks and the word behind them stay below 998
    std::string text(name);
    text += ": ";
    std::size_t column = text.size();
    while (!value.empty()) {
        const std::size_t word = std::min(value.find_first_not_of(' '), value.size());
        const std::size_t end = std::min(value.find(' ', word), value.size());
        const std::string_view blanks = value.substr(0, std::min(word, longest_part));
        if (!blanks.empty() && column + end > width) {
            text += '\n';
            column = 0;
        }
        text.append(blanks).append(value.substr(word, std::min(end - word, longest_part)));
        column += end;
        value.remove_prefix(end);
    }
    return text + '\n';
}

bool is_mbox_from_line(std::string_view line) {
    line = unquoted(line);
    if (!line.starts_with(from_word)) return false;
    const auto word = line.find_first_not_of(" \t", from_word.size());
    return word != std::string_view::npos && line[word] != ':';
}

// Programs find the date behind the first blank, so a quoted local part must not bring another one.
std::string mbox_from_line(std::string_view sender, std::string_view date) {
    std::string name(sender.empty() ? "MAILER-DAEMON" : sender);
    std::replace(name.begin(), name.end(), ' ', '-');
    return name.insert(0, from_word).append(" ").append(date).append("\n");
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

}  // namespace postoffice
