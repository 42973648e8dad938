// TLS for an SmtpClient's connection: RFC 3207, and RFC 8314 for port 465.
#include <fmt/format.h>

#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/smtp/client/client.h"
#include "reply_reader.h"

namespace postoffice {

namespace {

constexpr std::string_view not_offered = "starttls-not-supported";
constexpr std::string_view not_begun = "validation-failure";

}  // namespace

bool SmtpClient::is_verified() const {
    return tls() != nullptr && tls()->is_verified();
}

// Throws what Connection::start_tls() throws.
void SmtpClient::start_tls() {
    step_ = "starting TLS";
    connection_->start_tls(*tls_.client, tls_.peer, within(timeouts_.starttls));
    if (transcript_) transcript_(fmt::format("{} -- {}", place_, tls_text()));
    tls_failure_ = tls()->failure();
    if (tls_failure_ && tls_.use == ClientTls::Use::required) refuse_without_tls();
}

// Before the greeting. There is a refusal() if that fails.
void SmtpClient::start_implicit_tls() {
    (void)tls_.client->context_for(tls_.peer.check);
    try {
        start_tls();
    } catch (const std::runtime_error& e) {  // FormatError, Timeout, PeerGone
        (void)connect_in_the_clear(e.what());
    }
}

// True if the dialogue goes on: under TLS, or in the clear where that is allowed; or if there is a refusal.
// False if the server is to be connected to again, in the clear.
bool SmtpClient::secure(const std::string& own_name) {
    if (tls_.use == ClientTls::Use::never || tls() != nullptr) return true;
    // What is wrong with the authorities is not the server's fault.
    if (extensions_.starttls) (void)tls_.client->context_for(tls_.peer.check);
    try {
        if (!extensions_.starttls) return go_on_in_the_clear({not_offered, "it does not offer STARTTLS"});
        step_ = "starting TLS";
        const Reply reply = completion(answer_to("STARTTLS"));
        if (!reply.is_positive())
            return go_on_in_the_clear({not_offered, "its answer to STARTTLS is " + reply.line()});
        start_tls();
        if (refusal_) return true;
        // The server's words in the clear may have been another host's (RFC 3207 section 4.2).
        extensions_ = {};
        if (!say_hello(own_name, true)) throw PeerGone("it closed the connection");
        return true;
    } catch (const ClosingDown& e) {
        return connect_in_the_clear(e.reply.line());
    } catch (const FormatError& e) {
        return connect_in_the_clear(e.what());
    } catch (const Timeout& e) {
        return connect_in_the_clear(e.what());
    } catch (const PeerGone& e) {
        return connect_in_the_clear(e.what());
    }
}

bool SmtpClient::go_on_in_the_clear(TlsFailure why) {
    tls_failure_ = std::move(why);
    if (tls_.use == ClientTls::Use::required) refuse_without_tls();
    return true;
}

bool SmtpClient::connect_in_the_clear(const std::string& why) {
    tls_failure_ = TlsFailure{not_begun, fmt::format("while {}: {}", step_, why)};
    hang_up();
    if (tls_.use != ClientTls::Use::required) {
        tls_.use = ClientTls::Use::never;
        return false;
    }
    refuse_without_tls();
    return true;
}

void SmtpClient::refuse_without_tls() {
    const std::string_view status = tls_failure_->type == not_offered ? "4.7.4" : "4.7.5";
    DeliveryResult why = deferred(std::string(status), fmt::format("TLS is required ({}) for {}: {}",
                                                                   tls_.policy, peer_, tls_failure_->text));
    quit();
    refuse(std::move(why));
}

std::string SmtpClient::tls_text() const {
    return tls() == nullptr ? "" : tls()->description();
}

}  // namespace postoffice
