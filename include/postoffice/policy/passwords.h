// Stored passwords: crypt(5) hashes, SCRAM verifiers (policy/scram.h), and the password file of a virtual domain in both of its forms.
// Comparing takes the same time whatever is wrong, as far as that is in our hands.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "postoffice/config/config.h"

namespace postoffice {

/// True if `password` is the one that `hash`, a crypt(5) string or a SCRAM verifier, was made from. A missing or empty hash, one
/// that locks the account ("!", "*"), or one that crypt(3) does not know is never right.
bool is_password(std::string_view password, std::string_view hash);

/// One line of a virtual domain's password file.
struct VirtualUser {
    std::string name;
    std::string hash;
    std::string home;  ///< of the seven-field form; empty in the short one
};

/// "user:hash" (vm-pop3d, .htpasswd), or the seven fields of passwd(5). nullopt: a comment, or no such line.
std::optional<VirtualUser> parse_virtual_user(std::string_view line);

/// Reads `vhost-dir`/DOMAIN/passwd. nullopt if the domain or the user is not there. Throws std::system_error
/// if the file is there and cannot be read.
std::optional<VirtualUser> find_virtual_user(const Config& config, const std::string& name,
                                             const std::string& domain);

/// The first usable hash of the domain, for what must look as if a user were there; empty if there is none.
/// Throws as find_virtual_user().
std::string typical_hash(const Config& config, const std::string& domain);

}  // namespace postoffice
