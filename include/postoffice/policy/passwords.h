// Stored passwords: crypt(5) hashes, SCRAM verifiers (policy/scram.h), and text as it is typed. A name
// without a password costs what another one costs that has one, so that the time of an answer tells nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "postoffice/policy/scram.h"

namespace postoffice {

/// How the password field of a line is understood.
struct StoredPassword {
    enum class Kind {
        none,   ///< missing, or of a kind that is not known here: no password is right
        hash,   ///< `text`: of crypt(5)
        scram,  ///< `text`: a verifier
        plain,  ///< `text`: the password itself
    } kind = Kind::none;
    bool is_locked = false;  ///< "!" or "*" stands in front: no password is right
    std::string text = "";

    bool has_hash() const { return kind == Kind::hash || kind == Kind::scram; }
};

/// "{PLAIN}text" is plain text. Other text is so only if `may_be_plain` and it looks like no hash at all: it
/// does not begin with "$", "_", "{", "!" or "*", is not "x", and has neither the length and letters of a
/// hash of DES, nor those of a digest in hexadecimal or base 64. So a hash that was stolen is no password.
StoredPassword parse_stored_password(std::string_view field, bool may_be_plain = false);

/// True if `password` is right. Compares with `model` where `stored` has no password, and computes a hash of
/// the host's usual kind if that has none either.
bool is_password(std::string_view password, const StoredPassword& stored, const StoredPassword& model = {});

/// Which of the `count` users of a domain stands in for a name without a password: for one name always the
/// same, and for strangers without a rule. `key`: this host's. `count` is not 0.
std::size_t stand_in(const ScramDigest& key, std::string_view name, std::size_t count);

/// Octets of a new password: a login can send that many (policy/authentication.h).
inline constexpr std::size_t longest_new_password = 500;

/// A new hash, of the kind that crypt(3) has for new passwords (yescrypt). Throws std::system_error.
std::string hash_password(std::string_view password);

}  // namespace postoffice
