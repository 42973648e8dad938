#include "postoffice/policy/authentication.h"

#include <fmt/format.h>
#include <string.h>

#include <cstring>

#include "postoffice/base/log.h"
#include "postoffice/base/request_socket.h"

namespace postoffice {
namespace {

Fd put_question(const AuthenticatorAccess& access, AuthRequest& request, const Deadline& deadline) {
    request.pass = access.pass;
    return access.handle.ask(request, deadline);
}

AuthVerdict receive_verdict(const Fd& channel, const Deadline& deadline) {
    const auto answer = receive_struct<AuthAnswer>(channel.get(), deadline);
    if (!answer || answer->value.outcome > AuthOutcome::temporary) return {};
    AuthVerdict verdict{answer->value.outcome, answer->value.user.str(), answer->value.signature,
                        answer->value.ticket};
    if (verdict.outcome == AuthOutcome::yes && verdict.user.empty()) verdict.outcome = AuthOutcome::temporary;
    return verdict;
}

void log_failure(const std::exception& error) {
    log_event("", "authenticator-failed", {{"reason", error.what()}});
}

}  // namespace

Fd AuthenticatorHandle::ask(const AuthRequest& request, const Deadline& deadline) const {
    SocketPair channel = packet_socket_pair();
    const int descriptor = channel.theirs.get();
    send_request(handle_, std::as_bytes(std::span(&request, 1)), std::span(&descriptor, 1), deadline);
    return std::move(channel.ours);
}

AuthVerdict ask_authenticator(const AuthenticatorAccess& access, const LoginQuestion& question,
                              std::string_view password, const Deadline& deadline) {
    AuthRequest request;
    AuthVerdict verdict;
    if (question.user.empty() || password.empty() || !request.user.assign(question.user) ||
        !request.password.assign(password)) {
        verdict.outcome = AuthOutcome::no;
    } else {
        request.client.assign_cut(question.client);
        request.for_mailbox = question.for_mailbox ? 1 : 0;
        try {
            verdict = receive_verdict(put_question(access, request, deadline), deadline);
        } catch (const std::exception& error) {
            log_failure(error);
        }
    }
    ::explicit_bzero(static_cast<void*>(&request), sizeof request);
    return verdict;
}

ScramExchange::ScramExchange(const AuthenticatorAccess& access, const LoginQuestion& question,
                             const Deadline& deadline) {
    AuthRequest request;
    request.method = AuthRequest::Method::scram;
    (void)request.user.assign(question.user);  // what does not fit is no name, as "" is
    request.client.assign_cut(question.client);
    request.for_mailbox = question.for_mailbox ? 1 : 0;
    try {
        channel_ = put_question(access, request, deadline);
        const auto challenge = receive_struct<ScramChallenge>(channel_.get(), deadline);
        if (challenge) challenge_ = challenge->value;
    } catch (const std::exception& error) {
        log_failure(error);
    }
}

AuthVerdict ScramExchange::finish(const ScramResponse& response, const Deadline& deadline) {
    try {
        send_struct(channel_.get(), response);
        return receive_verdict(channel_, deadline);
    } catch (const std::exception& error) {
        log_failure(error);
        return {};
    }
}

std::string scram_server_first(std::string_view client_nonce, const ScramChallenge& challenge) {
    return fmt::format("r={}{},s={},i={}", client_nonce, challenge.nonce.str(), challenge.salt.str(),
                       challenge.iterations);
}

void wipe(std::string& secret) {
    ::explicit_bzero(secret.data(), secret.size());
    secret.clear();
}

}  // namespace postoffice
