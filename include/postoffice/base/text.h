// Small text tools. ASCII only and free of locale: mail protocols are defined on octets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace postoffice {

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_letter_or_digit(char c) {
    return is_letter(c) || is_digit(c);
}
/// A space or a tab, the white space of header fields (WSP of RFC 5234).
constexpr bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/// Of a hexadecimal digit in either case; -1 for any other character.
constexpr int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string to_lower(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b);
bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);
/// Without blanks, tabs, CR and LF at both ends.
std::string_view trim(std::string_view text);
/// Without the byte order mark of UTF-8 that editors of other systems put in front of a text: in every file
/// of ours that people write, it means nothing.
std::string_view without_byte_order_mark(std::string_view text);
/// Parts between separators, untrimmed; an empty text has one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);
/// The parts of a string that is about to go would be of no use.
template <class Text>
requires std::is_same_v<Text, std::string> std::vector<std::string_view> split(Text&& text, char separator)
= delete;
/// The part up to the separator; `rest` keeps what follows it (empty at the end).
std::string_view read_until(std::string_view& rest, char separator);
/// Digits only, all of them, no sign, no overflow.
std::optional<std::uint64_t> parse_number(std::string_view text);
/// True for what a terminal, a pager or a reader of the log could take for a command, or for another order of
/// the text: the controls C0, DEL and C1 (ISO/IEC 6429), the separators of lines and paragraphs, and what
/// changes the direction of text (U+2028 to U+202E, U+2066 to U+2069).
bool is_control(char32_t character);
/// True if one of the characters is such a control; octets that are no UTF-8 are none.
bool has_control(std::string_view text);
/// Text as it may be shown on a terminal, stand in the log and in a reply: each control character, and each
/// octet that is no UTF-8, becomes '?', but for the ASCII characters in `kept`.
std::string printable(std::string_view text, std::string_view kept = {});
/// How many single-character edits make `a` from `b` (for "did you mean").
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace postoffice
