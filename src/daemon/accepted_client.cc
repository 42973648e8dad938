#include "accepted_client.h"

#include <sys/socket.h>

namespace postoffice {

void AcceptedClient::send_line(std::string_view line) const {
    if (state.awaits_tls != 0) return;
    (void)::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

// A captured session may have set SO_LINGER, by which a close waits for the peer.
void AcceptedClient::close() {
    const linger never{0, 0};
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &never, sizeof never);
    socket.reset();
}

}  // namespace postoffice
