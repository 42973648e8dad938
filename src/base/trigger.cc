#include "postoffice/base/trigger.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstring>

#include "postoffice/base/fd.h"

namespace postoffice {

namespace {

/// Empty if no process holds the socket open.
Fd connect_to(const std::string& socket_path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.empty() || socket_path.size() >= sizeof address.sun_path) return Fd();
    std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
    Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return Fd();
    return socket;
}

}  // namespace

bool trigger(const std::string& socket_path, std::string_view text) {
    const Fd socket = connect_to(socket_path);
    if (!socket) return false;
    // Few datagrams fit into the daemon's queue: in a burst wait a moment for it to read.
    const timeval patience{1, 0};
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

bool is_served(const std::string& socket_path) {
    return static_cast<bool>(connect_to(socket_path));
}

}  // namespace postoffice
