#include "sasl.h"

#include "postoffice/base/text.h"

namespace postoffice {

std::optional<Credentials> parse_plain(std::string_view message) {
    const auto parts = split(message, '\0');
    if (parts.size() != 3 || parts[1].empty() || parts[2].empty()) return std::nullopt;
    if (!parts[0].empty() && parts[0] != parts[1]) return std::nullopt;
    return Credentials{std::string(parts[1]), std::string(parts[2])};
}

}  // namespace postoffice
