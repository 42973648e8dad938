#include "postoffice/outbound/relay_login.h"

#include <fmt/format.h>
#include <string.h>

#include <functional>

#include "postoffice/base/error.h"
#include "postoffice/base/request_socket.h"

namespace postoffice {
namespace {

constexpr Seconds patience{60};

using LoginOutcome = RelayLoginAnswer::Outcome;

}  // namespace

std::uint64_t RelayLogin::fingerprint() const {
    return std::hash<std::string>()(fmt::format("{}\n{}\n{}", is_token, user, is_token ? "" : secret));
}

RelayLoginResult RelayLoginHandle::ask(const Question& question) const try {
    if (!is_there()) return {};
    RelayLoginRequest request;
    request.port = question.port;
    request.needs_token = question.needs_token ? 1 : 0;
    if (!request.host.assign(question.relay.host) || !request.sender.assign(question.sender))
        return {LoginOutcome::temporary, {}, "the name of the relay host or of the sender is too long"};
    const auto deadline = Deadline::after(patience);
    SocketPair channel = packet_socket_pair();
    const int descriptor = channel.theirs.get();
    send_request(handle_, std::as_bytes(std::span(&request, 1)), std::span(&descriptor, 1), deadline);
    channel.theirs.reset();
    auto answer = receive_struct<RelayLoginAnswer>(channel.ours.get(), deadline);
    if (!answer) return {LoginOutcome::temporary, {}, "the login keeper gave no answer"};
    RelayLoginAnswer& told = answer->value;
    RelayLoginResult result{
        told.outcome, {told.user.str(), told.secret.str(), told.is_token != 0}, told.problem.str()};
    ::explicit_bzero(static_cast<void*>(&told.secret), sizeof told.secret);
    return result;
} catch (const std::exception& error) {
    return {LoginOutcome::temporary, {}, "the login keeper cannot be asked: " + in_plain_words(error)};
}

}  // namespace postoffice
