#include "spf_macros.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::string_view letters = "slodipvh";
constexpr std::string_view delimiters = ".-+,/_=";
constexpr std::size_t long_enough = 1024;  // octets of a result that no domain name reaches

/// One literal octet, or one macro.
struct Piece {
    char letter = 0;  ///< lower case; 0 for a literal
    std::string literal;
    std::size_t parts = 0;  ///< that are kept, from the right; 0 = all
    bool reversed = false;
    bool escaped = false;  ///< for a URL
    std::string_view split_at = ".";
};

/// What stands between "%{" and "}": a letter, a number, "r", delimiters.
std::optional<Piece> parse_macro(std::string_view body) {
    if (body.empty()) return std::nullopt;
    Piece piece;
    piece.letter = to_lower(body.substr(0, 1)).front();
    piece.escaped = piece.letter != body.front();
    if (letters.find(piece.letter) == letters.npos) return std::nullopt;
    body.remove_prefix(1);
    const std::size_t digits = std::min(body.find_first_not_of("0123456789"), body.size());
    if (digits > 0) {
        const auto number = parse_number(body.substr(0, digits));
        if (number && *number == 0) return std::nullopt;
        // A number that is too large to be one keeps everything, as does any that is larger than a name.
        piece.parts = number ? static_cast<std::size_t>(std::min<std::uint64_t>(*number, long_enough)) : 0;
        body.remove_prefix(digits);
    }
    piece.reversed = !body.empty() && (body.front() == 'r' || body.front() == 'R');
    if (piece.reversed) body.remove_prefix(1);
    if (body.find_first_not_of(delimiters) != body.npos) return std::nullopt;
    if (!body.empty()) piece.split_at = body;
    return piece;
}

/// The first piece of what is left, which must not be empty; nullopt if it is none.
std::optional<Piece> read_piece(std::string_view& rest) {
    Piece piece;
    const char c = rest.front();
    if (c <= ' ' || c >= 0x7f) return std::nullopt;
    if (c != '%') {
        piece.literal = c;
        rest.remove_prefix(1);
        return piece;
    }
    if (rest.size() < 2) return std::nullopt;
    const char kind = rest[1];
    if (kind == '{') {
        const std::size_t end = rest.find('}');
        if (end == rest.npos) return std::nullopt;
        const auto macro = parse_macro(rest.substr(2, end - 2));
        rest.remove_prefix(end + 1);
        return macro;
    }
    if (kind != '%' && kind != '_' && kind != '-') return std::nullopt;
    piece.literal = std::string(kind == '%' ? "%" : kind == '_' ? " " : "%20");
    rest.remove_prefix(2);
    return piece;
}

/// RFC 7208 section 12: letters, digits and hyphens inside; not all of them digits.
bool is_top_label(std::string_view label) {
    return !label.empty() && label.front() != '-' && label.back() != '-' &&
           std::all_of(label.begin(), label.end(),
                       [](char c) { return is_digit(c) || is_letter(c) || c == '-'; }) &&
           !std::all_of(label.begin(), label.end(), is_digit);
}

std::string url_escaped(std::string_view text) {
    std::string result;
    for (const char c : text) {
        const bool is_plain = is_digit(c) || is_letter(c) || c == '-' || c == '.' || c == '_' || c == '~';
        result += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return result;
}

/// Section 7.3: split, reversed, shortened, and joined by dots.
std::string transformed(std::string_view value, const Piece& piece) {
    std::vector<std::string_view> parts;
    for (std::size_t from = 0;;) {
        const std::size_t end = value.find_first_of(piece.split_at, from);
        parts.push_back(value.substr(from, end == value.npos ? value.npos : end - from));
        if (end == value.npos) break;
        from = end + 1;
    }
    if (piece.reversed) std::reverse(parts.begin(), parts.end());
    if (piece.parts != 0 && piece.parts < parts.size())
        parts.erase(parts.begin(), parts.end() - static_cast<std::ptrdiff_t>(piece.parts));
    const std::string joined = fmt::format("{}", fmt::join(parts, "."));
    return piece.escaped ? url_escaped(joined) : joined;
}

}  // namespace

bool is_spf_macro_string(std::string_view text) {
    while (!text.empty())
        if (!read_piece(text)) return false;
    return true;
}

bool is_spf_domain_spec(std::string_view text) {
    std::string end;  // literals behind the last macro
    bool ends_in_macro = false;
    while (!text.empty()) {
        ends_in_macro = text.front() == '%';
        const auto piece = read_piece(text);
        if (!piece) return false;
        if (ends_in_macro)
            end.clear();
        else
            end += piece->literal;
    }
    if (ends_in_macro) return true;
    if (end.ends_with('.')) end.pop_back();
    const std::size_t dot = end.rfind('.');
    return dot != end.npos && is_top_label(std::string_view(end).substr(dot + 1));
}

std::string expand_spf_macros(std::string_view text,
                              const std::function<std::string(char letter)>& value_of) {
    std::string result;
    while (!text.empty()) {
        const auto piece = read_piece(text);
        if (!piece) break;
        result += piece->letter == 0 ? piece->literal : transformed(value_of(piece->letter), *piece);
        if (result.size() > 4 * long_enough) result.erase(0, result.size() - long_enough);
    }
    return result;
}

}  // namespace postoffice
