#include "postoffice/net/tls_client.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "openssl_calls.h"
#include "postoffice/base/error.h"

namespace postoffice {
namespace {

// Forward secrecy first. A server that has nothing but RSA key exchange would get the mail in the clear.
constexpr const char* client_ciphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:DHE+AES:RSA+AESGCM:RSA+AES:!aNULL:!PSK:!SRP:!DSS";

// By what a session is found again: all that its certificate was checked against.
std::string session_key(const TlsPeer& peer) {
    std::string key = fmt::format("{} {}", peer.server_name, static_cast<int>(peer.check));
    for (const auto* list : {&peer.names, &peer.fingerprints})
        for (const std::string& entry : *list) key.append("\n").append(entry);
    for (const TlsaRecord& record : peer.tlsa)
        key += fmt::format("\n{} {} {} ", record.usage, record.selector, record.matching_type) + record.data;
    return key;
}

}  // namespace

bool add_tlsa(ssl_st* stream, const TlsaRecord& record) {
    const auto* data = reinterpret_cast<const unsigned char*>(record.data.data());
    return SSL_dane_tlsa_add(stream, record.usage, record.selector, record.matching_type, data,
                             record.data.size()) == 1;
}

namespace {

[[noreturn]] void cannot_be_set_up() {
    throw FormatError("TLS cannot be set up: " + last_tls_complaint());
}

}  // namespace

void TlsClient::Free::operator()(ssl_ctx_st* context) const {
    SSL_CTX_free(context);
}

void TlsClient::Free::operator()(ssl_session_st* session) const {
    SSL_SESSION_free(session);
}

TlsClient::TlsClient(std::string authorities) : authorities_(std::move(authorities)) {}

TlsClient::~TlsClient() = default;

void prepare_for_tls() {
    static const bool is_done = [] {
        SSL_CTX_free(SSL_CTX_new(TLS_client_method()));
        ERR_clear_error();
        return true;
    }();
    (void)is_done;
}

ssl_ctx_st* TlsClient::context_for(TlsPeer::Check check) {
    if (!context_) make_context();
    if (check == TlsPeer::Check::names && !has_authorities_) read_authorities();
    return context_.get();
}

void TlsClient::make_context() {
    ERR_clear_error();
    std::unique_ptr<ssl_ctx_st, Free> made(SSL_CTX_new(TLS_client_method()));
    SSL_CTX* context = made.get();
    if (context == nullptr) cannot_be_set_up();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    // The stream gives its session to keep_session() when it ends.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_cipher_list(context, client_ciphers) != 1 || SSL_CTX_dane_enable(context) != 1)
        cannot_be_set_up();
    context_ = std::move(made);
}

void TlsClient::read_authorities() {
    ERR_clear_error();
    if (SSL_CTX_set_default_verify_paths(context_.get()) != 1) cannot_be_set_up();
    if (!authorities_.empty() && SSL_CTX_load_verify_file(context_.get(), authorities_.c_str()) != 1)
        throw FormatError(authorities_ + ": " + last_tls_complaint());
    ERR_clear_error();
    has_authorities_ = true;
}

bool TlsClient::can_use(const TlsaRecord& record) {
    if (record.usage != 2 && record.usage != 3) return false;
    const std::unique_ptr<SSL, void (*)(SSL*)> trial(SSL_new(context_for(TlsPeer::Check::dane)), SSL_free);
    const bool is_usable =
        trial && SSL_dane_enable(trial.get(), nullptr) == 1 && add_tlsa(trial.get(), record);
    ERR_clear_error();
    return is_usable;
}

ssl_session_st* TlsClient::session_for(const TlsPeer& peer) const {
    const auto found = sessions_.find(session_key(peer));
    return found == sessions_.end() ? nullptr : found->second.get();
}

void TlsClient::keep_session(const TlsPeer& peer, ssl_session_st* session) {
    if (sessions_.size() >= most_sessions) sessions_.clear();
    sessions_[session_key(peer)].reset(session);
}

}  // namespace postoffice
