// One TLS stream, of a server or of a client.
#include <fmt/ranges.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <array>
#include <cerrno>

#include "openssl_calls.h"
#include "postoffice/base/error.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/net/tls.h"

namespace postoffice {
namespace {

std::optional<std::string> exported_secret(ssl_st* stream) {
    constexpr std::string_view label = "EXPORTER-Channel-Binding";
    std::array<unsigned char, 32> secret{};
    if (SSL_export_keying_material(stream, secret.data(), secret.size(), label.data(), label.size(), nullptr,
                                   0, 0) != 1)
        return std::nullopt;
    return std::string(secret.begin(), secret.end());
}

/// Of the server's certificate, by the hash of its own signature, but nothing weaker than SHA-256.
std::optional<std::string> certificate_hash(ssl_st* stream) {
    X509* const certificate =
        SSL_is_server(stream) == 1 ? SSL_get_certificate(stream) : SSL_get0_peer_certificate(stream);
    int hash = NID_undef;
    if (certificate == nullptr ||
        X509_get_signature_info(certificate, &hash, nullptr, nullptr, nullptr) != 1 || hash == NID_undef)
        return std::nullopt;
    const EVP_MD* kind = hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    if (kind == nullptr || X509_digest(certificate, kind, digest.data(), &length) != 1) return std::nullopt;
    return std::string(digest.begin(), digest.begin() + length);
}

std::string hexadecimal(const unsigned char* octets, std::size_t count) {
    return fmt::format("{:02x}", fmt::join(octets, octets + count, ""));
}

/// SHA-256 of the certificate, and of its public key.
std::array<std::string, 2> fingerprints_of(const X509* certificate) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    std::array<std::string, 2> both;
    unsigned length = 0;
    if (X509_digest(certificate, EVP_sha256(), digest.data(), &length) == 1)
        both[0] = hexadecimal(digest.data(), length);
    unsigned char* key = nullptr;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
    if (size > 0 &&
        EVP_Digest(key, static_cast<std::size_t>(size), digest.data(), &length, EVP_sha256(), nullptr) == 1)
        both[1] = hexadecimal(digest.data(), length);
    OPENSSL_free(key);
    return both;
}

std::optional<TlsFailure> failure_by_fingerprint(const X509* certificate, const TlsPeer& peer) {
    if (certificate == nullptr) return TlsFailure{"certificate-not-trusted", "it has no certificate"};
    const auto known = fingerprints_of(certificate);
    for (const std::string& expected : peer.fingerprints)
        for (const std::string& shown : known)
            if (expected == shown) return std::nullopt;
    return TlsFailure{"certificate-not-trusted",
                      fmt::format("its certificate has another fingerprint: {}", known[0])};
}

std::string_view failure_type(long result) {
    switch (result) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return "certificate-expired";
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return "certificate-host-mismatch";
        case X509_V_ERR_DANE_NO_MATCH:
            return "validation-failure";
        default:
            return "certificate-not-trusted";
    }
}

/// What the check of the certificate came to, in this handshake or in the one of a resumed session.
std::optional<TlsFailure> failure_of(const SSL* stream, const TlsPeer& peer) {
    if (peer.check == TlsPeer::Check::none) return std::nullopt;
    const X509* const certificate = SSL_get0_peer_certificate(stream);
    if (peer.check == TlsPeer::Check::fingerprint) return failure_by_fingerprint(certificate, peer);
    if (certificate == nullptr) return TlsFailure{"certificate-not-trusted", "it has no certificate"};
    const long result = SSL_get_verify_result(stream);
    if (result == X509_V_OK) return std::nullopt;
    return TlsFailure{failure_type(result), fmt::format("its certificate is not accepted: {}",
                                                        X509_verify_cert_error_string(result))};
}

}  // namespace

void TlsStream::Free::operator()(ssl_st* stream) const {
    SSL_free(stream);
}

TlsStream::TlsStream(const TlsServer& server, int socket, const Deadline& deadline,
                     const std::function<void()>& wait_for_input)
    : stream_(SSL_new(server.context())), socket_(socket) {
    shake_hands(SSL_accept, deadline, wait_for_input);
}

TlsStream::TlsStream(TlsClient& client, const TlsPeer& peer, int socket, const Deadline& deadline)
    : stream_(SSL_new(client.context_for(peer.check))), socket_(socket), client_(&client), peer_(peer) {
    if (stream_) expect_peer();
    shake_hands(SSL_connect, deadline, {});
    failure_ = failure_of(stream_.get(), peer_);
}

TlsStream::~TlsStream() {
    if (client_ == nullptr || !stream_) return;
    if (SSL_SESSION* const session = SSL_get1_session(stream_.get())) {
        if (SSL_SESSION_is_resumable(session) == 1 && !failure_)
            client_->keep_session(peer_, session);
        else
            SSL_SESSION_free(session);
    }
    // A stream that ends without a goodbye takes its session with it.
    SSL_set_quiet_shutdown(stream_.get(), 1);
    (void)SSL_shutdown(stream_.get());
    ERR_clear_error();
}

// What is said of the peer before the handshake.
void TlsStream::expect_peer() {
    SSL* const stream = stream_.get();
    const bool is_checked = peer_.check != TlsPeer::Check::none;
    // Without a check of the certificate weak keys are better than none: the other choice is clear text.
    SSL_set_security_level(stream, is_checked ? 2 : 1);
    // failure() says what is wrong; ending the handshake would not say it.
    SSL_set_verify(stream, SSL_VERIFY_NONE, nullptr);
    if (!peer_.server_name.empty() && !IpAddress::parse(peer_.server_name))
        (void)SSL_set_tlsext_host_name(stream, peer_.server_name.c_str());
    if (peer_.check == TlsPeer::Check::dane) {
        if (SSL_dane_enable(stream, peer_.server_name.c_str()) != 1)
            throw FormatError(peer_.server_name + " is no host name");
        // RFC 7672 section 3.1.1: with usage 3, names and dates do not count.
        SSL_dane_set_flags(stream, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
        for (const TlsaRecord& record : peer_.tlsa) (void)add_tlsa(stream, record);
    }
    if (peer_.check == TlsPeer::Check::names || peer_.check == TlsPeer::Check::dane) {
        SSL_set_hostflags(stream, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        for (const std::string& name : peer_.names)
            if (SSL_add1_host(stream, name.c_str()) != 1) throw FormatError(name + " is no host name");
    }
    if (SSL_SESSION* const session = client_->session_for(peer_)) (void)SSL_set_session(stream, session);
}

void TlsStream::shake_hands(int (*step)(ssl_st*), const Deadline& deadline,
                            const std::function<void()>& wait_for_input) {
    if (!stream_ || SSL_set_fd(stream_.get(), socket_) != 1)
        throw_errno(ENOMEM, "TLS: " + last_tls_complaint());
    for (;;) {
        ERR_clear_error();
        errno = 0;
        const int outcome = step(stream_.get());
        if (outcome == 1) return;
        const int error = errno;
        if (wait_for_input && SSL_get_error(stream_.get(), outcome) == SSL_ERROR_WANT_READ) wait_for_input();
        errno = error;
        if (!wait_for(outcome, deadline, "TLS handshake")) throw PeerGone("left in the TLS handshake");
    }
}

bool TlsStream::is_resumed() const {
    return SSL_session_reused(stream_.get()) == 1;
}

/// After a call that did not succeed: waits for what it needs, and then it is to be tried again. False if the
/// peer has closed.
bool TlsStream::wait_for(int outcome, const Deadline& deadline, const char* doing) {
    const int error = errno;
    short events = 0;
    switch (SSL_get_error(stream_.get(), outcome)) {
        case SSL_ERROR_WANT_READ:
            events = POLLIN;
            break;
        case SSL_ERROR_WANT_WRITE:
            events = POLLOUT;
            break;
        case SSL_ERROR_ZERO_RETURN:
            return false;
        case SSL_ERROR_SYSCALL:
            if (error == 0) return false;
            throw PeerGone(std::string(doing) + ": " + std::generic_category().message(error));
        default:
            throw PeerGone(std::string(doing) + ": " + last_tls_complaint());
    }
    for (;;) {
        // Looked at even where octets keep coming: a peer that drips must not live for ever.
        if (deadline.passed()) throw Timeout(std::string(doing) + ": the peer is too slow");
        pollfd waiting{socket_, events, 0};
        const int n = ::poll(&waiting, 1, deadline.poll_timeout());
        if (n > 0) return true;
        if (n < 0 && errno != EINTR) throw_errno("poll");
    }
}

std::size_t TlsStream::read(char* into, std::size_t most, const Deadline& deadline) {
    for (;;) {
        ERR_clear_error();
        errno = 0;
        std::size_t got = 0;
        const int outcome = SSL_read_ex(stream_.get(), into, most, &got);
        if (outcome == 1) return got;
        if (!wait_for(outcome, deadline, "TLS read")) return 0;
    }
}

void TlsStream::write(std::string_view bytes, const Deadline& deadline) {
    while (!bytes.empty()) {
        ERR_clear_error();
        errno = 0;
        std::size_t written = 0;
        const int outcome = SSL_write_ex(stream_.get(), bytes.data(), bytes.size(), &written);
        if (outcome == 1)
            bytes.remove_prefix(written);
        else if (!wait_for(outcome, deadline, "TLS write"))
            throw PeerGone("connection lost while writing");
    }
}

bool TlsStream::has_pending() const {
    return SSL_pending(stream_.get()) > 0;
}

void TlsStream::close() noexcept {
    ERR_clear_error();
    if (SSL_is_init_finished(stream_.get())) (void)SSL_shutdown(stream_.get());
    ERR_clear_error();
}

bool TlsStream::has_channel_binding() const {
    return SSL_version(stream_.get()) >= TLS1_3_VERSION;
}

std::optional<std::string> TlsStream::channel_binding(std::string_view name) const {
    if (!has_channel_binding()) return std::nullopt;
    if (name == "tls-exporter") return exported_secret(stream_.get());
    if (name == "tls-server-end-point") return certificate_hash(stream_.get());
    return std::nullopt;
}

std::string TlsStream::version() const {
    return SSL_get_version(stream_.get());
}

std::string TlsStream::cipher() const {
    return SSL_get_cipher_name(stream_.get());
}

int TlsStream::cipher_bits() const {
    return SSL_get_cipher_bits(stream_.get(), nullptr);
}

std::string TlsStream::description() const {
    return version() + " " + cipher();
}

}  // namespace postoffice
