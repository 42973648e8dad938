// Stands in for tls.cc in a build without TLS.
#include "postoffice/base/error.h"
#include "postoffice/net/tls.h"
#include "postoffice/net/tls_client.h"

namespace postoffice {

class TicketKeys {};

bool tls_is_built_in() {
    return false;
}

void TlsServer::Free::operator()(ssl_ctx_st*) const {}
void TlsStream::Free::operator()(ssl_st*) const {}

TlsServer::TlsServer(const std::string& certificate_file, const std::string&) {
    throw FormatError(certificate_file + ": this postoffice was built without TLS");
}

TlsServer::TlsServer(TlsServer&&) noexcept = default;
TlsServer& TlsServer::operator=(TlsServer&&) noexcept = default;
TlsServer::~TlsServer() = default;
void TlsServer::rotate_ticket_keys() {}
void TlsServer::rotate_ticket_keys_when_due() {}
void TlsServer::become_reader() {}

std::optional<TlsServer> TlsServer::without_key(const std::string& certificate_file) {
    return TlsServer(certificate_file, "");
}

TlsStream::TlsStream(const TlsServer&, int socket, const Deadline&, const std::function<void()>&)
    : socket_(socket) {
    throw PeerGone("TLS is not built in");
}

TlsStream::TlsStream(TlsClient& client, const TlsPeer& peer, int socket, const Deadline&) : socket_(socket) {
    (void)client.context_for(peer.check);
}

TlsStream::~TlsStream() = default;

bool TlsStream::is_resumed() const {
    return false;
}

std::size_t TlsStream::read(char*, std::size_t, const Deadline&) {
    return 0;
}

void TlsStream::write(std::string_view, const Deadline&) {}

bool TlsStream::has_pending() const {
    return socket_ < 0;
}

void TlsStream::close() noexcept {}

bool TlsStream::has_channel_binding() const {
    return false;
}

std::optional<std::string> TlsStream::channel_binding(std::string_view) const {
    return std::nullopt;
}

void prepare_for_tls() {}

void TlsClient::Free::operator()(ssl_ctx_st*) const {}
void TlsClient::Free::operator()(ssl_session_st*) const {}

TlsClient::TlsClient(std::string authorities) : authorities_(std::move(authorities)) {}
TlsClient::~TlsClient() = default;

bool TlsClient::can_use(const TlsaRecord&) {
    return false;
}

ssl_ctx_st* TlsClient::context_for(TlsPeer::Check) {
    throw FormatError("this postoffice was built without TLS");
}

std::string TlsStream::version() const {
    return "";
}

std::string TlsStream::cipher() const {
    return "";
}

int TlsStream::cipher_bits() const {
    return 0;
}

std::string TlsStream::description() const {
    return "";
}

}  // namespace postoffice
