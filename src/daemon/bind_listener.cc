#include "postoffice/daemon/bind_listener.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"

namespace postoffice {
namespace {

// A host that starts may get its addresses later.
bool bind_before_it_is_ours(int socket, const sockaddr_storage& storage, socklen_t length) {
    const int on = 1;
    return ::setsockopt(socket, IPPROTO_IP, IP_FREEBIND, &on, sizeof on) == 0 &&
           ::bind(socket, reinterpret_cast<const sockaddr*>(&storage), length) == 0;
}

struct Bound {
    Fd socket;
    int error = 0;          ///< errno
    bool is_early = false;  ///< the host does not have the address yet
};

void share_port(int socket, int yes) {
    (void)::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
}

/// `is_shared`: beside sockets of this process at the same port.
Bound bind_one(const Endpoint& endpoint, bool is_shared) {
    sockaddr_storage storage;
    const socklen_t length = endpoint.to_sockaddr(storage);
    Fd socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return {Fd(), errno};
    const int on = 1;
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (endpoint.address.is_v6()) (void)::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (is_shared) share_port(socket.get(), 1);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), length) == 0) return {std::move(socket)};
    if (errno != EADDRNOTAVAIL || !bind_before_it_is_ours(socket.get(), storage, length))
        return {Fd(), errno};
    return {std::move(socket), 0, true};
}

/// The endpoints of one `listen=`.
std::vector<Endpoint> endpoints_of(const ListenAddress& listen) {
    if (!listen.address)
        return {{*IpAddress::parse("0.0.0.0"), listen.port}, {*IpAddress::parse("::"), listen.port}};
    return {{*listen.address, listen.port}};
}

/// A host without IPv6 is served over IPv4 alone.
bool may_be_left_out(const ListenAddress& listen, const Endpoint& endpoint, int error) {
    return !listen.address && endpoint.address.is_v6() && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL);
}

}  // namespace

EarlierSockets::EarlierSockets(const std::vector<const Fd*>& sockets,
                               const std::vector<ListenAddress>& wanted) {
    std::vector<Endpoint> needed;
    for (const ListenAddress& listen : wanted)
        for (const Endpoint& endpoint : endpoints_of(listen)) needed.push_back(endpoint);
    for (const Fd* socket : sockets) {
        const auto at = Endpoint::local_of(socket->get());
        const bool is_needed = at && std::find(needed.begin(), needed.end(), *at) != needed.end();
        (is_needed ? needed_ : leaving_).push_back(socket);
    }
    for (const Fd* socket : leaving_) share_port(socket->get(), 1);
}

// They stay if the configuration cannot be used.
EarlierSockets::~EarlierSockets() {
    for (const Fd* socket : leaving_) share_port(socket->get(), 0);
}

Fd EarlierSockets::copy_at(const Endpoint& endpoint) const {
    for (const Fd* socket : needed_)
        if (Endpoint::local_of(socket->get()) == endpoint) return socket->duplicate();
    return {};
}

std::vector<Fd> bind_listener(const ListenAddress& listen, const EarlierSockets& earlier) {
    std::vector<Fd> sockets;
    for (const Endpoint& endpoint : endpoints_of(listen)) {
        if (Fd copy = earlier.copy_at(endpoint)) {
            sockets.push_back(std::move(copy));
            continue;
        }
        Bound bound = bind_one(endpoint, earlier.some_are_leaving());
        if (!bound.socket && may_be_left_out(listen, endpoint, bound.error)) continue;
        if (!bound.socket) throw_errno(bound.error, "bind " + endpoint.to_string());
        if (bound.is_early)
            log_event("", "listening-early",
                      {{"listen", endpoint.to_string()}, {"reason", "no such address here yet"}});
        // A short backlog makes a burst of clients crawl through SYN retransmissions.
        if (::listen(bound.socket.get(), 1024) != 0) throw_errno("listen on " + endpoint.to_string());
        share_port(bound.socket.get(), 0);
        sockets.push_back(std::move(bound.socket));
    }
    return sockets;
}

std::optional<BindProblem> bind_problem(const ListenAddress& listen) {
    for (const Endpoint& endpoint : endpoints_of(listen)) {
        const Bound bound = bind_one(endpoint, false);
        if (!bound.socket && !may_be_left_out(listen, endpoint, bound.error))
            return BindProblem{endpoint.to_string(), bound.error};
    }
    return std::nullopt;
}

}  // namespace postoffice
