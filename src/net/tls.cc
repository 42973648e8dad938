#include "postoffice/net/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <climits>

#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"
#include "postoffice/net/private_key.h"
#include "ticket_keys.h"

namespace postoffice {
namespace {

// Ephemeral keys and authenticated ciphers; CBC with SHA-2 for those that know no better of TLS 1.2.
constexpr const char* ciphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES+SHA384:ECDHE+AES+SHA256:!aNULL:!PSK";

/// The first thing OpenSSL complained of, in words; forgets the rest.
std::string last_complaint() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "it gives no reason";
    const char* reason = ERR_reason_error_string(code);
    return reason != nullptr ? reason : "error " + std::to_string(code);
}

[[noreturn]] void unusable(const std::string& file) {
    throw FormatError(file + ": " + last_complaint());
}

/// OpenSSL's own words for a file that is not there or must not be read do not say so.
void require_readable(const std::string& file) {
    const Fd opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!opened) throw FormatError(file + ": " + std::generic_category().message(errno));
}

std::optional<std::string> exported_secret(ssl_st* stream) {
    constexpr std::string_view label = "EXPORTER-Channel-Binding";
    std::array<unsigned char, 32> secret{};
    if (SSL_export_keying_material(stream, secret.data(), secret.size(), label.data(), label.size(), nullptr,
                                   0, 0) != 1)
        return std::nullopt;
    return std::string(secret.begin(), secret.end());
}

/// By the hash of the certificate's own signature, but nothing weaker than SHA-256.
std::optional<std::string> certificate_hash(ssl_st* stream) {
    X509* certificate = SSL_get_certificate(stream);
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

}  // namespace

bool tls_is_built_in() {
    return true;
}

void TlsServer::Free::operator()(ssl_ctx_st* context) const {
    SSL_CTX_free(context);
}

TlsServer::TlsServer(const std::string& certificate_file)
    : ticket_keys_(std::make_unique<TicketKeys>()), context_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX* context = context_.get();
    if (context == nullptr) throw FormatError("TLS cannot be set up: " + last_complaint());
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    // A write that was cut short is gone on with from another buffer; idle streams give their buffers back.
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_dh_auto(context, 1);
    // Sessions are resumed by tickets alone: each client may meet another process.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 1);
    use_ticket_keys(context, *ticket_keys_);
    constexpr unsigned char name[] = "postoffice";
    if (SSL_CTX_set_session_id_context(context, name, sizeof name - 1) != 1 ||
        SSL_CTX_set_cipher_list(context, ciphers) != 1)
        throw FormatError("TLS cannot be set up: " + last_complaint());

    require_readable(certificate_file);
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1)
        unusable(certificate_file);
}

std::optional<TlsServer> TlsServer::without_key(const std::string& certificate_file) {
    TlsServer server(certificate_file);
    if (!use_key_elsewhere(server.context())) return std::nullopt;
    return server;
}

TlsServer::TlsServer(const std::string& certificate_file, const std::string& key_file)
    : TlsServer(certificate_file) {
    SSL_CTX* context = context_.get();
    require_readable(key_file);
    ERR_clear_error();
    const bool is_key = SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) == 1;
    const bool is_of_another = !is_key && ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH;
    if (!is_key && !is_of_another) unusable(key_file);
    if (is_of_another || SSL_CTX_check_private_key(context) != 1)
        throw FormatError(key_file + ": not the key of the certificate in " + certificate_file);
}

TlsServer::TlsServer(TlsServer&&) noexcept = default;
TlsServer& TlsServer::operator=(TlsServer&&) noexcept = default;
TlsServer::~TlsServer() = default;

void TlsServer::rotate_ticket_keys() {
    ticket_keys_->rotate();
}

void TlsServer::rotate_ticket_keys_when_due() {
    ticket_keys_->rotate_when_due();
}

void TlsServer::become_reader() {
    ticket_keys_->become_reader();
}

void TlsStream::Free::operator()(ssl_st* stream) const {
    SSL_free(stream);
}

TlsStream::TlsStream(const TlsServer& server, int socket, const Deadline& deadline,
                     const std::function<void()>& wait_for_input)
    : stream_(SSL_new(server.context())), socket_(socket) {
    if (!stream_ || SSL_set_fd(stream_.get(), socket) != 1) throw_errno(ENOMEM, "TLS: " + last_complaint());
    for (;;) {
        ERR_clear_error();
        const int outcome = SSL_accept(stream_.get());
        if (outcome == 1) return;
        const int error = errno;
        if (wait_for_input && SSL_get_error(stream_.get(), outcome) == SSL_ERROR_WANT_READ) wait_for_input();
        errno = error;
        if (!wait_for(outcome, deadline, "TLS handshake")) throw PeerGone("left in the TLS handshake");
    }
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
            throw PeerGone(std::string(doing) + ": " + last_complaint());
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

std::string TlsStream::description() const {
    return std::string(SSL_get_version(stream_.get())) + " " + SSL_get_cipher_name(stream_.get());
}

}  // namespace postoffice
