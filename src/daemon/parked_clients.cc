#include "parked_clients.h"

#include <iterator>
#include <utility>

#include "postoffice/base/log.h"
#include "postoffice/policy/client.h"
#include "postoffice/policy/client_rates.h"

namespace postoffice {
namespace {

constexpr std::chrono::seconds silence_that_makes_room{10};
const Reply silent_too_long{421, "4.4.2", "You have been silent for too long; goodbye"};
const Reply make_room{421, "4.3.2", "Others need your place; please come back later"};

/// Neither trusted nor a user, and without a message so far.
bool is_stranger(const Config& config, const AcceptedClient& client) {
    return client.state.user.bytes[0] == '\0' && client.state.messages == 0 &&
           !is_exempt_address(config.access, client.address);
}

}  // namespace

void ParkedClients::park(AcceptedClient client) {
    const int socket = client.socket.get();
    client.since = Clock::now();
    epoll_.add(socket);
    clients_.push_back(std::move(client));
    client_at_[socket] = std::prev(clients_.end());
}

std::optional<AcceptedClient> ParkedClients::take(int socket) {
    const auto found = client_at_.find(socket);
    if (found == client_at_.end()) return std::nullopt;
    return remove(found->second);
}

AcceptedClient ParkedClients::remove(Clients::iterator place) {
    AcceptedClient client = std::move(*place);
    client_at_.erase(client.socket.get());
    clients_.erase(place);
    epoll_.remove(client.socket.get());
    return client;
}

void ParkedClients::disconnect(Clients::iterator place, const Reply& reply, LogEvent event) {
    AcceptedClient client = remove(place);
    client.refuse(reply);
    log_event("", event, {{"client", Client{client.address}.text()}});
    limits_.release(client.address);
    client.close();
}

bool ParkedClients::make_room_for(const IpAddress& address) {
    const bool is_known = is_exempt_address(config_.access, address);
    const auto latest = Clock::now() - silence_that_makes_room;
    for (auto client = clients_.begin(); client != clients_.end(); ++client) {
        if (!is_known && client->since > latest) return false;
        if (!is_stranger(config_, *client)) continue;
        disconnect(client, make_room, "client-made-room");
        return true;
    }
    return false;
}

void ParkedClients::disconnect_silent(const LoadLevel& load_level) {
    const auto now = Clock::now();
    for (auto client = clients_.begin(); client != clients_.end();) {
        const auto next = std::next(client);
        const Milliseconds whole = config_.limits.timeout;
        const Milliseconds patience = client->state.penalties.mail_was_refused ? whole / 10 : whole;
        if (now - client->since >= load_level.shortened(patience))
            disconnect(client, silent_too_long, "client-silent");
        client = next;
    }
}

void ParkedClients::send_to(const Succession& successor) {
    while (!clients_.empty() && successor.send(clients_.front())) {
        const AcceptedClient client = remove(clients_.begin());
        limits_.release(client.address);
    }
}

void ParkedClients::disconnect_all(const Reply& reply) {
    for (AcceptedClient& client : clients_) {
        client.refuse(reply);
        client.close();
    }
    clients_.clear();
    client_at_.clear();
}

}  // namespace postoffice
