#include "accepted_client.h"

#include <sys/socket.h>

namespace postoffice {

void AcceptedClient::refuse(const Reply& reply) const {
    if (state.awaits_tls != 0) return;
    const std::string line = state.pop3 != 0 ? "-ERR [SYS/TEMP] " + reply.text + "\r\n" : reply.wire();
    (void)::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

// A captured session may have set SO_LINGER, by which a close waits for the peer.
void AcceptedClient::close() {
    const linger never{0, 0};
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &never, sizeof never);
    socket.reset();
}

}  // namespace postoffice
