// Base 64, RFC 4648 section 4: strict, with padding, nothing between the characters.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postoffice {

std::string base64(std::string_view octets);
/// nullopt if it is not what base64() could have written.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace postoffice
