// A reload loses no client: the silent ones of a listener that is replaced go to its successor, with all that
// is known of them. Those whom a session serves stay with it until they fall silent or leave.
#include <sys/epoll.h>

#include "postoffice/daemon/listener.h"

namespace postoffice {

void Listener::retire() {
    if (stopping_) return;
    stopping_ = retiring_ = true;
    sockets_.clear();
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, handover_.theirs.get(), nullptr);
    handover_.theirs.reset();
}

// False while the way is full, or if nobody will take him.
bool Listener::send_to_successor(Client& client) {
    const int descriptors[] = {client.socket.get()};
    const auto bytes = std::as_bytes(std::span(&client.state, 1));
    return send_packet_now(handover_.ours.get(), bytes, descriptors) == Sent::yes;
}

void Listener::send_parked_to_successor() {
    while (!parked_.empty() && send_to_successor(parked_.front())) {
        const Client client = unpark(parked_.begin());
        limits_.release(client.address);
    }
}

// Limits do not count: he is in.
void Listener::receive_clients() {
    for (;;) {
        Client client;
        auto arrival =
            receive_packet_now(handover_.theirs.get(), std::as_writable_bytes(std::span(&client.state, 1)));
        if (arrival.kind != PacketArrival::Kind::packet) return;
        const auto address = IpAddress::parse(client.state.client_address.str());
        if (arrival.packet.size != sizeof client.state || arrival.packet.descriptors.size() != 1 || !address)
            continue;
        client.address = *address;
        client.socket = std::move(arrival.packet.descriptors.front());
        limits_.count(client.address);
        park(std::move(client));
    }
}

}  // namespace postoffice
