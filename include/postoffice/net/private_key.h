// The private key of the host's certificate is in one process alone (daemon/key_keeper.h). A session process,
// which a client may have captured, asks that process for each signature and never holds the key.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "postoffice/base/fd.h"

struct evp_pkey_st;
struct ssl_ctx_st;

namespace postoffice {

/// One question in one write(2), of less than PIPE_BUF octets.
struct SignatureQuestion {
    static constexpr std::uint32_t own_tag = 0x6b657931;
    static constexpr std::size_t most_octets = 1024;  ///< the modulus of an RSA key of 8192 bits
    enum class Kind : std::uint8_t { rsa_pkcs1, rsa_raw, ecdsa };

    std::uint32_t tag = own_tag;
    Kind kind = Kind::ecdsa;
    std::uint16_t size = 0;
    unsigned char octets[most_octets] = {};
};

struct SignatureAnswer {
    std::uint16_t size = 0;  ///< 0: refused
    unsigned char octets[SignatureQuestion::most_octets] = {};
};

/// A key that signs, in the process that holds it.
class PrivateKey {
  public:
    /// A PEM file, read from its beginning. Throws FormatError.
    explicit PrivateKey(int file);
    /// Never fails: what cannot be signed is refused.
    SignatureAnswer sign(const SignatureQuestion& question) const;

  private:
    struct Free {
        void operator()(evp_pkey_st* key) const;
    };
    std::unique_ptr<evp_pkey_st, Free> key_;
};

/// Where this process asks: two pipes, which cannot carry descriptors as sockets can. Without them every
/// signature fails.
void set_key_channel(Fd questions, Fd answers);

/// Gives a context, which has its certificate, a key that asks by set_key_channel(). False for kinds of key
/// for which OpenSSL has no way to do that: all but RSA and ECDSA. Throws FormatError.
bool use_key_elsewhere(ssl_ctx_st* context);

}  // namespace postoffice
