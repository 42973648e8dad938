#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/daemon/listener.h"

namespace postoffice {
namespace {

// A host that starts may get its addresses later.
bool bind_before_it_is_ours(int socket, const sockaddr_storage& storage, socklen_t length) {
    const int on = 1;
    if (::setsockopt(socket, IPPROTO_IP, IP_FREEBIND, &on, sizeof on) != 0 ||
        ::bind(socket, reinterpret_cast<const sockaddr*>(&storage), length) != 0)
        return false;
    const auto endpoint = Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage));
    log_event("", "listening-early",
              {{"listen", endpoint->to_string()}, {"reason", "no such address here yet"}});
    return true;
}

Fd bind_one(const Endpoint& endpoint, bool only_v6) {
    sockaddr_storage storage;
    const socklen_t length = endpoint.to_sockaddr(storage);
    Fd socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) throw_errno("socket for " + endpoint.to_string());
    const int on = 1;
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (only_v6) (void)::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0 &&
        !(errno == EADDRNOTAVAIL && bind_before_it_is_ours(socket.get(), storage, length)))
        throw_errno("bind " + endpoint.to_string());
    // A short backlog makes a burst of clients crawl through SYN retransmissions.
    if (::listen(socket.get(), 1024) != 0) throw_errno("listen on " + endpoint.to_string());
    return socket;
}

}  // namespace

std::vector<Fd> bind_listener(const ListenAddress& listen) {
    std::vector<Fd> sockets;
    if (!listen.address.empty()) {
        const auto address = IpAddress::parse(listen.address);
        if (!address) throw FormatError("listen=" + listen.address + ": not an address");
        sockets.push_back(bind_one({*address, listen.port}, true));
        return sockets;
    }
    sockets.push_back(bind_one({*IpAddress::parse("0.0.0.0"), listen.port}, false));
    try {
        sockets.push_back(bind_one({*IpAddress::parse("::"), listen.port}, true));
    } catch (const std::system_error& error) {
        if (error.code() != std::errc::address_family_not_supported &&
            error.code() != std::errc::address_not_available)
            throw;  // a host without IPv6 is served over IPv4 alone
    }
    return sockets;
}

}  // namespace postoffice
