// SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's half of the computation: what is stored of a password, and
// whether a proof was made with it. Nothing here reads a SCRAM message: the text that is proved, the
// "AuthMessage", is octets to it.
//
// Needs the library that TLS needs; a build without TLS has the same interface, and has_scram is then false.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace postoffice {

extern const bool has_scram;

using ScramDigest = std::array<unsigned char, 32>;

/// Enough to check a password, or the proof that a client knows it; not enough to log in with.
struct ScramVerifier {
    static constexpr unsigned default_iterations = 4096;  ///< RFC 7677 section 4
    static constexpr std::size_t default_salt = 16;       ///< octets
    static constexpr std::size_t longest_salt = 64;
    unsigned iterations = default_iterations;
    std::string salt;  ///< octets, never empty
    ScramDigest stored_key{};
    ScramDigest server_key{};
};

/// "{SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey", the last three in base 64: the form of Dovecot.
/// nullopt for anything else, with more than a million iterations too: checking such a password would be an
/// attack.
std::optional<ScramVerifier> parse_scram_verifier(std::string_view stored);

/// Costs all the iterations.
bool is_scram_password(std::string_view password, const ScramVerifier& verifier);

/// What an unknown name is challenged with: the same salt each time, as long as the key stays, and as
/// many iterations as `model`, a verifier of the same domain. No proof is ever right for it.
ScramVerifier decoy_verifier(const ScramDigest& key, std::string_view name,
                             const std::optional<ScramVerifier>& model);

/// ServerSignature, with which we prove in our turn that we knew the password; nullopt if the proof is wrong.
/// Takes the same time either way.
std::optional<ScramDigest> check_scram_proof(const ScramVerifier& verifier, std::string_view auth_message,
                                             const ScramDigest& proof);

/// What a client says that knows the password, and what the server must say then.
struct ScramProof {
    ScramDigest client_proof{};
    ScramDigest server_signature{};
};
/// Costs all the iterations.
ScramProof make_scram_proof(std::string_view password, std::string_view salt, unsigned iterations,
                            std::string_view auth_message);

/// A hash that keeps `text` to itself and tells two purposes apart.
ScramDigest scram_key(std::string_view text, std::string_view purpose);

}  // namespace postoffice
