#include "postoffice/net/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>

#include "openssl_calls.h"
#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"
#include "postoffice/net/private_key.h"
#include "ticket_keys.h"

namespace postoffice {
namespace {

// Ephemeral keys and authenticated ciphers; CBC with SHA-2 for those that know no better of TLS 1.2.
constexpr const char* server_ciphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES+SHA384:ECDHE+AES+SHA256:!aNULL:!PSK";

[[noreturn]] void unusable(const std::string& file) {
    throw FormatError(file + ": " + last_tls_complaint());
}

/// OpenSSL's own words for a file that is not there or must not be read do not say so.
void require_readable(const std::string& file) {
    const Fd opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!opened) throw FormatError(file + ": " + std::generic_category().message(errno));
}

}  // namespace

std::string last_tls_complaint() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "it gives no reason";
    if (ERR_SYSTEM_ERROR(code)) return std::generic_category().message(ERR_GET_REASON(code));
    const char* reason = ERR_reason_error_string(code);
    return reason != nullptr ? reason : "error " + std::to_string(code);
}

bool tls_is_built_in() {
    return true;
}

void TlsServer::Free::operator()(ssl_ctx_st* context) const {
    SSL_CTX_free(context);
}

TlsServer::TlsServer(const std::string& certificate_file)
    : ticket_keys_(std::make_unique<TicketKeys>()), context_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX* context = context_.get();
    if (context == nullptr) throw FormatError("TLS cannot be set up: " + last_tls_complaint());
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
        SSL_CTX_set_cipher_list(context, server_ciphers) != 1)
        throw FormatError("TLS cannot be set up: " + last_tls_complaint());

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

}  // namespace postoffice
