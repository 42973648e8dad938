#include "postoffice/mail/address_lexer.h"

#include <algorithm>

namespace postoffice {
namespace {

using Kind = AddressToken::Kind;

constexpr std::string_view white_space = " \t\r\n";
constexpr std::string_view specials = "<>,;:@";
constexpr std::string_view ends_of_atom = " \t\r\n<>,;:@(\"[";

bool is_one_of(std::string_view characters, char c) {
    return characters.find(c) != std::string_view::npos;
}

/// Octets of the character at `at`: a backslash takes the next one with it.
std::size_t character_length(std::string_view text, std::size_t at) {
    return text[at] == '\\' && at + 1 < text.size() ? 2 : 1;
}

/// Where the first of `ends` stands, from `at` on and not behind a backslash; else the end of the text.
std::size_t find_end(std::string_view text, std::size_t at, std::string_view ends) {
    while (at < text.size() && !is_one_of(ends, text[at])) at += character_length(text, at);
    return at;
}

std::size_t comment_length(std::string_view text, bool& is_closed) {
    std::size_t depth = 0;
    for (std::size_t at = 0; at < text.size(); at += character_length(text, at)) {
        if (text[at] == '(') ++depth;
        if (text[at] == ')' && --depth == 0) return at + 1;
    }
    is_closed = false;
    return text.size();
}

std::size_t quoted_string_length(std::string_view text, bool& is_closed) {
    const std::size_t end = find_end(text, 1, "\"");
    is_closed = end < text.size();
    return is_closed ? end + 1 : end;
}

std::size_t literal_length(std::string_view text, bool& is_closed) {
    const std::size_t end = find_end(text, 1, "]");
    is_closed = end < text.size();
    return is_closed ? end + 1 : find_end(text, 1, ",>");
}

}  // namespace

AddressToken read_token(std::string_view& rest) {
    const std::size_t blank = std::min(rest.find_first_not_of(white_space), rest.size());
    rest.remove_prefix(blank);
    AddressToken token{Kind::end, rest, blank > 0};
    if (rest.empty()) return token;
    std::size_t length = 1;
    const char c = rest.front();
    if (c == '(') {
        token.kind = Kind::comment;
        length = comment_length(rest, token.is_closed);
    } else if (c == '"') {
        token.kind = Kind::quoted_string;
        length = quoted_string_length(rest, token.is_closed);
    } else if (c == '[') {
        token.kind = Kind::domain_literal;
        length = literal_length(rest, token.is_closed);
    } else if (is_one_of(specials, c)) {
        token.kind = Kind::special;
    } else {
        token.kind = Kind::atom;
        length = find_end(rest, 0, ends_of_atom);
    }
    token.text = rest.substr(0, length);
    rest.remove_prefix(length);
    return token;
}

}  // namespace postoffice
