// Stored passwords: crypt(5) hashes and SCRAM verifiers (policy/scram.h). Comparing takes the same time
// whatever is wrong, as far as that is in our hands.
#pragma once

#include <string>
#include <string_view>

namespace postoffice {

/// True if `password` is the one that `hash`, a crypt(5) string or a SCRAM verifier, was made from. A missing
/// or empty hash, one that locks the account ("!", "*"), or one that crypt(3) does not know is never right.
bool is_password(std::string_view password, std::string_view hash);

/// Whether it could be that of some password: neither missing nor locked.
bool is_usable_hash(std::string_view hash);

/// A new hash, of the kind that crypt(3) has for new passwords (yescrypt). Throws std::system_error.
std::string hash_password(std::string_view password);

}  // namespace postoffice
