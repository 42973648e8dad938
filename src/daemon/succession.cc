#include "succession.h"

#include "postoffice/base/packet.h"

namespace postoffice {

bool Succession::send(const AcceptedClient& client) const {
    const int descriptors[] = {client.socket.get()};
    const auto bytes = std::as_bytes(std::span(&client.state, 1));
    return send_packet_now(ends_.ours.get(), bytes, descriptors) == Sent::yes;
}

std::optional<AcceptedClient> Succession::receive() {
    for (;;) {
        AcceptedClient client;
        auto arrival =
            receive_packet_now(ends_.theirs.get(), std::as_writable_bytes(std::span(&client.state, 1)));
        if (arrival.kind != PacketArrival::Kind::packet) return std::nullopt;
        const auto address = IpAddress::parse(client.state.client_address.str());
        if (arrival.packet.size != sizeof client.state || arrival.packet.descriptors.size() != 1 || !address)
            continue;
        client.address = *address;
        client.socket = std::move(arrival.packet.descriptors.front());
        return client;
    }
}

}  // namespace postoffice
