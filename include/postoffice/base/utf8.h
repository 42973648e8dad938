// UTF-8 (RFC 3629): what is well formed, and characters one by one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace postoffice {

bool is_ascii(std::string_view text);
/// True for ASCII, too; false for overlong forms, surrogates, and what is beyond U+10FFFF.
bool is_utf8(std::string_view text);
/// The first character, taken off the front; nullopt where there is none that is well formed.
std::optional<char32_t> read_character(std::string_view& text);
/// At most `most` octets from the front, not ending inside a character of UTF-8.
std::string_view cut_utf8(std::string_view text, std::size_t most);
/// Appends a character.
void append_utf8(std::string& text, char32_t character);

}  // namespace postoffice
