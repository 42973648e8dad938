#include "postoffice/net/private_key.h"

// The only way of OpenSSL 3 to have a key's work done elsewhere without a provider of our own.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "postoffice/base/clock.h"
#include "postoffice/base/error.h"
#include "postoffice/base/packet.h"

namespace postoffice {
namespace {

using QuestionKind = SignatureQuestion::Kind;

static_assert(sizeof(SignatureQuestion) <= PIPE_BUF && sizeof(SignatureAnswer) <= PIPE_BUF);

/// A signature takes a millisecond; a keeper that has died is started again in a second.
constexpr Milliseconds patience = std::chrono::seconds(10);

struct KeyChannel {
    Fd questions;
    Fd answers;
} channel;

bool answer_comes(const Deadline& deadline) {
    for (;;) {
        pollfd waiting{channel.answers.get(), POLLIN, 0};
        const int n = ::poll(&waiting, 1, deadline.poll_timeout());
        if (n > 0) return true;
        if (n == 0 && deadline.passed()) return false;
        if (n < 0 && errno != EINTR) return false;
    }
}

/// Octets of the signature, which are put into `into`, or -1.
int ask(QuestionKind kind, const unsigned char* text, int size, unsigned char* into, std::size_t room) {
    SignatureQuestion question;
    if (size < 0 || static_cast<std::size_t>(size) > sizeof question.octets || !channel.questions) return -1;
    question.kind = kind;
    question.size = static_cast<std::uint16_t>(size);
    std::memcpy(question.octets, text, question.size);
    SignatureAnswer answer;
    if (::write(channel.questions.get(), &question, sizeof question) != sizeof question ||
        !answer_comes(Deadline::after(patience)) ||
        ::read(channel.answers.get(), &answer, sizeof answer) != sizeof answer || answer.size == 0 ||
        answer.size > room) {
        channel = {};  // a late answer must not be taken for that to another question
        return -1;
    }
    std::memcpy(into, answer.octets, answer.size);
    return answer.size;
}

int sign_with_rsa(int size, const unsigned char* text, unsigned char* signature, RSA* rsa, int padding) {
    if (padding != RSA_PKCS1_PADDING && padding != RSA_NO_PADDING) return -1;
    return ask(padding == RSA_NO_PADDING ? QuestionKind::rsa_raw : QuestionKind::rsa_pkcs1, text, size,
               signature, static_cast<std::size_t>(RSA_size(rsa)));
}

int sign_with_ec(int, const unsigned char* digest, int size, unsigned char* signature, unsigned* length,
                 const BIGNUM*, const BIGNUM*, EC_KEY* key) {
    const int got =
        ask(QuestionKind::ecdsa, digest, size, signature, static_cast<std::size_t>(ECDSA_size(key)));
    *length = got > 0 ? static_cast<unsigned>(got) : 0;
    return got > 0;
}

const RSA_METHOD* rsa_elsewhere() {
    static RSA_METHOD* const method = [] {
        RSA_METHOD* made = RSA_meth_dup(RSA_get_default_method());
        (void)RSA_meth_set_priv_enc(made, sign_with_rsa);
        return made;
    }();
    return method;
}

const EC_KEY_METHOD* ec_elsewhere() {
    static EC_KEY_METHOD* const method = [] {
        EC_KEY_METHOD* made = EC_KEY_METHOD_new(EC_KEY_get_default_method());
        EC_KEY_METHOD_set_sign(made, sign_with_ec, nullptr, nullptr);
        return made;
    }();
    return method;
}

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Key rsa_key_elsewhere(const EVP_PKEY* of_certificate) {
    Key key(EVP_PKEY_new(), EVP_PKEY_free);
    RSA* rsa = RSAPublicKey_dup(EVP_PKEY_get0_RSA(of_certificate));
    const bool is_ready =
        rsa != nullptr && RSA_set_method(rsa, rsa_elsewhere()) == 1 && EVP_PKEY_set1_RSA(key.get(), rsa) == 1;
    RSA_free(rsa);
    return is_ready ? std::move(key) : Key(nullptr, EVP_PKEY_free);
}

Key ec_key_elsewhere(const EVP_PKEY* of_certificate) {
    Key key(EVP_PKEY_new(), EVP_PKEY_free);
    EC_KEY* ec = EC_KEY_dup(EVP_PKEY_get0_EC_KEY(of_certificate));
    const bool is_ready = ec != nullptr && EC_KEY_set_method(ec, ec_elsewhere()) == 1 &&
                          EVP_PKEY_set1_EC_KEY(key.get(), ec) == 1;
    EC_KEY_free(ec);
    return is_ready ? std::move(key) : Key(nullptr, EVP_PKEY_free);
}

}  // namespace

void PrivateKey::Free::operator()(evp_pkey_st* key) const {
    EVP_PKEY_free(key);
}

PrivateKey::PrivateKey(int file) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> input(BIO_new_fd(file, BIO_NOCLOSE), BIO_free);
    if (input) key_.reset(PEM_read_bio_PrivateKey(input.get(), nullptr, nullptr, nullptr));
    ERR_clear_error();
    if (!key_) throw FormatError("the private key cannot be read");
}

SignatureAnswer PrivateKey::sign(const SignatureQuestion& question) const {
    SignatureAnswer answer;
    if (!has_own_tag(question) || question.size > sizeof question.octets) return answer;
    ERR_clear_error();
    const bool is_rsa = EVP_PKEY_is_a(key_.get(), "RSA"), is_ec = EVP_PKEY_is_a(key_.get(), "EC");
    const bool for_rsa = question.kind == QuestionKind::rsa_pkcs1 || question.kind == QuestionKind::rsa_raw;
    if (is_rsa && for_rsa && EVP_PKEY_get_size(key_.get()) <= static_cast<int>(sizeof answer.octets)) {
        const int padding = question.kind == QuestionKind::rsa_raw ? RSA_NO_PADDING : RSA_PKCS1_PADDING;
        RSA* rsa = const_cast<RSA*>(EVP_PKEY_get0_RSA(key_.get()));
        const int size = RSA_private_encrypt(question.size, question.octets, answer.octets, rsa, padding);
        if (size > 0) answer.size = static_cast<std::uint16_t>(size);
    } else if (is_ec && question.kind == QuestionKind::ecdsa) {
        EC_KEY* ec = const_cast<EC_KEY*>(EVP_PKEY_get0_EC_KEY(key_.get()));
        unsigned size = 0;
        if (ECDSA_size(ec) <= static_cast<int>(sizeof answer.octets) &&
            ECDSA_sign(0, question.octets, question.size, answer.octets, &size, ec) == 1)
            answer.size = static_cast<std::uint16_t>(size);
    }
    return answer;
}

void set_key_channel(Fd questions, Fd answers) {
    channel = {std::move(questions), std::move(answers)};
}

bool use_key_elsewhere(ssl_ctx_st* context) {
    const X509* certificate = SSL_CTX_get0_certificate(context);
    const EVP_PKEY* its_key = certificate != nullptr ? X509_get0_pubkey(certificate) : nullptr;
    if (its_key == nullptr) throw FormatError("the certificate has no key");
    const bool is_rsa = EVP_PKEY_is_a(its_key, "RSA"), is_ec = EVP_PKEY_is_a(its_key, "EC");
    if (!is_rsa && !is_ec) return false;
    const Key key = is_rsa ? rsa_key_elsewhere(its_key) : ec_key_elsewhere(its_key);
    if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1)
        throw FormatError("the key of the certificate cannot be used");
    return true;
}

}  // namespace postoffice
