#include "postoffice/outbound/relay_login.h"

#include <string.h>

#include "postoffice/base/error.h"
#include "postoffice/base/request_socket.h"

namespace postoffice {
namespace {

constexpr Seconds patience{60};

using Outcome = RelayLoginAnswer::Outcome;

}  // namespace

RelayLoginResult RelayLoginHandle::ask(const RelayHost& relay, std::uint16_t port,
                                       const std::string& sender) const try {
    if (!is_there()) return {};
    RelayLoginRequest request;
    request.port = port;
    if (!request.host.assign(relay.host) || !request.sender.assign(sender))
        return {Outcome::temporary, {}, "the name of the relay host or of the sender is too long"};
    const auto deadline = Deadline::after(patience);
    SocketPair channel = packet_socket_pair();
    const int descriptor = channel.theirs.get();
    send_request(handle_, std::as_bytes(std::span(&request, 1)), std::span(&descriptor, 1), deadline);
    channel.theirs.reset();
    auto answer = receive_struct<RelayLoginAnswer>(channel.ours.get(), deadline);
    if (!answer) return {Outcome::temporary, {}, "the login keeper gave no answer"};
    RelayLoginAnswer& told = answer->value;
    RelayLoginResult result{
        told.outcome, {told.user.str(), told.secret.str(), told.is_token != 0}, told.problem.str()};
    ::explicit_bzero(static_cast<void*>(&told.secret), sizeof told.secret);
    return result;
} catch (const std::exception& error) {
    return {Outcome::temporary, {}, "the login keeper cannot be asked: " + in_plain_words(error)};
}

}  // namespace postoffice
