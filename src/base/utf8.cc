#include "postoffice/base/utf8.h"

#include <cstdint>
#include <cstring>

namespace postoffice {
namespace {

constexpr char32_t last_character = 0x10FFFF;

bool is_surrogate(char32_t character) {
    return character >= 0xD800 && character <= 0xDFFF;
}

}  // namespace

bool is_ascii(std::string_view text) {
    std::uint64_t bits = 0;
    for (; text.size() >= sizeof(bits); text.remove_prefix(sizeof(bits))) {
        std::memcpy(&bits, text.data(), sizeof(bits));
        if ((bits & 0x8080808080808080U) != 0) return false;
    }
    unsigned last = 0;
    for (const char c : text) last |= static_cast<unsigned char>(c);
    return last < 0x80;
}

std::optional<char32_t> read_character(std::string_view& text) {
    if (text.empty()) return std::nullopt;
    const auto first = static_cast<unsigned char>(text.front());
    std::size_t length = 1;
    char32_t character = first;
    char32_t least = 0;
    if (first >= 0xF0 && first <= 0xF4) {
        length = 4, character = first & 0x07U, least = 0x10000;
    } else if (first >= 0xE0 && first < 0xF0) {
        length = 3, character = first & 0x0FU, least = 0x800;
    } else if (first >= 0xC2 && first < 0xE0) {
        length = 2, character = first & 0x1FU, least = 0x80;
    } else if (first >= 0x80) {
        return std::nullopt;
    }
    if (text.size() < length) return std::nullopt;
    for (std::size_t i = 1; i < length; ++i) {
        const auto octet = static_cast<unsigned char>(text[i]);
        if ((octet & 0xC0) != 0x80) return std::nullopt;
        character = character << 6 | (octet & 0x3FU);
    }
    if (character < least || character > last_character || is_surrogate(character)) return std::nullopt;
    text.remove_prefix(length);
    return character;
}

bool is_utf8(std::string_view text) {
    while (!text.empty())
        if (!read_character(text)) return false;
    return true;
}

std::string_view cut_utf8(std::string_view text, std::size_t most) {
    if (text.size() <= most) return text;
    constexpr std::size_t most_continuing = 3;  // octets of one character
    for (std::size_t end = most; end > 0 && most - end <= most_continuing; --end)
        if ((text[end] & 0xC0) != 0x80) return text.substr(0, end);
    return text.substr(0, most);
}

void append_utf8(std::string& text, char32_t character) {
    const auto put = [&text](char32_t octet) { text += static_cast<char>(octet); };
    if (character < 0x80) {
        put(character);
    } else if (character < 0x800) {
        put(0xC0 | character >> 6);
        put(0x80 | (character & 0x3F));
    } else if (character < 0x10000) {
        put(0xE0 | character >> 12);
        put(0x80 | (character >> 6 & 0x3F));
        put(0x80 | (character & 0x3F));
    } else {
        put(0xF0 | character >> 18);
        put(0x80 | (character >> 12 & 0x3F));
        put(0x80 | (character >> 6 & 0x3F));
        put(0x80 | (character & 0x3F));
    }
}

}  // namespace postoffice
