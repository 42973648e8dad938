#include "postoffice/policy/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#include <algorithm>
#include <cerrno>

#include "postoffice/base/base64.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::string_view scheme = "{SCRAM-SHA-256}";
constexpr unsigned most_iterations = 1'000'000;
static_assert(SHA256_DIGEST_LENGTH == std::tuple_size_v<ScramDigest>);

const unsigned char* octets(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

ScramDigest hmac(const ScramDigest& key, std::string_view text) {
    ScramDigest digest{};
    if (::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), octets(text), text.size(),
               digest.data(), nullptr) == nullptr)
        throw_errno(ENOMEM, "HMAC");
    return digest;
}

ScramDigest hash(const ScramDigest& text) {
    ScramDigest digest{};
    ::SHA256(text.data(), text.size(), digest.data());
    return digest;
}

bool is_equal(const ScramDigest& a, const ScramDigest& b) {
    return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

ScramDigest salted_password(std::string_view password, std::string_view salt, unsigned iterations) {
    ScramDigest salted{};
    if (::PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), octets(salt),
                            static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                            static_cast<int>(salted.size()), salted.data()) != 1)
        throw_errno(ENOMEM, "PBKDF2");
    return salted;
}

/// RFC 5802 section 3: ClientProof = ClientKey XOR HMAC(StoredKey, AuthMessage), and back.
ScramDigest combined(ScramDigest a, const ScramDigest& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<unsigned char>(a[i] ^ b[i]);
    return a;
}

std::optional<ScramDigest> read_digest(std::string_view text) {
    const auto decoded = decode_base64(text);
    ScramDigest digest{};
    if (!decoded || decoded->size() != digest.size()) return std::nullopt;
    std::copy(decoded->begin(), decoded->end(), digest.begin());
    return digest;
}

}  // namespace

const bool has_scram = true;

std::optional<ScramVerifier> parse_scram_verifier(std::string_view stored) {
    if (!starts_with_ignoring_case(stored, scheme)) return std::nullopt;
    const auto fields = split(stored.substr(scheme.size()), ',');
    if (fields.size() != 4) return std::nullopt;
    const auto iterations = parse_number(fields[0]);
    const auto salt = decode_base64(fields[1]);
    const auto stored_key = read_digest(fields[2]);
    const auto server_key = read_digest(fields[3]);
    if (!iterations || *iterations == 0 || *iterations > most_iterations || !salt || salt->empty() ||
        salt->size() > ScramVerifier::longest_salt || !stored_key || !server_key)
        return std::nullopt;
    return ScramVerifier{static_cast<unsigned>(*iterations), *salt, *stored_key, *server_key};
}

bool is_scram_password(std::string_view password, const ScramVerifier& verifier) {
    ScramDigest salted = salted_password(password, verifier.salt, verifier.iterations);
    ScramDigest client_key = hmac(salted, "Client Key");
    const bool is_right = is_equal(hash(client_key), verifier.stored_key);
    ::explicit_bzero(salted.data(), salted.size());
    ::explicit_bzero(client_key.data(), client_key.size());
    return is_right;
}

ScramVerifier decoy_verifier(const ScramDigest& key, std::string_view name,
                             const std::optional<ScramVerifier>& model) {
    ScramVerifier verifier;
    std::size_t length = ScramVerifier::default_salt;
    if (model) {
        verifier.iterations = model->iterations;
        length = model->salt.size();
    }
    // One digest is enough for every salt in use; a longer one goes on with the digest of the digest.
    for (ScramDigest part = hmac(key, name); verifier.salt.size() < length; part = hmac(key, verifier.salt))
        verifier.salt.append(reinterpret_cast<const char*>(part.data()), part.size());
    verifier.salt.resize(length);
    // No key with this hash can be found.
    verifier.stored_key = hmac(key, verifier.salt + "stored");
    verifier.server_key = hmac(key, verifier.salt + "server");
    return verifier;
}

std::optional<ScramDigest> check_scram_proof(const ScramVerifier& verifier, std::string_view auth_message,
                                             const ScramDigest& proof) {
    ScramDigest client_key = combined(hmac(verifier.stored_key, auth_message), proof);
    const bool is_right = is_equal(hash(client_key), verifier.stored_key);
    ::explicit_bzero(client_key.data(), client_key.size());
    const ScramDigest signature = hmac(verifier.server_key, auth_message);
    if (!is_right) return std::nullopt;
    return signature;
}

ScramProof make_scram_proof(std::string_view password, std::string_view salt, unsigned iterations,
                            std::string_view auth_message) {
    ScramDigest salted = salted_password(password, salt, iterations);
    ScramDigest client_key = hmac(salted, "Client Key");
    const ScramProof proof{combined(hmac(hash(client_key), auth_message), client_key),
                           hmac(hmac(salted, "Server Key"), auth_message)};
    ::explicit_bzero(salted.data(), salted.size());
    ::explicit_bzero(client_key.data(), client_key.size());
    return proof;
}

ScramDigest scram_key(std::string_view text, std::string_view purpose) {
    ScramDigest digest{};
    ::SHA256(octets(text), text.size(), digest.data());
    return hmac(digest, purpose);
}

}  // namespace postoffice
