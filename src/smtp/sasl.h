// What the mechanisms of AUTH say: PLAIN (RFC 4616) and LOGIN, which no RFC describes and every client speaks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postoffice {

struct Credentials {
    std::string user;
    std::string password;
};

/// "identity NUL user NUL password", decoded. nullopt if it has another form, or one user wants to be taken for
/// another.
std::optional<Credentials> parse_plain(std::string_view message);

}  // namespace postoffice
