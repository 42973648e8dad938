#include "postoffice/net/connect.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <optional>
#include <system_error>
#include <utility>

#include "postoffice/base/error.h"

namespace postoffice {
namespace {

/// The connection will come from the one of these that is of the family of the peer.
void use_source(const Fd& socket, const Endpoint& peer, std::span<const IpAddress> sources) {
    const auto source = std::find_if(sources.begin(), sources.end(), [&](const IpAddress& address) {
        return address.is_v6() == peer.address.is_v6();
    });
    if (source == sources.end() || peer.address.is_loopback()) return;
    const int on = 1;  // the port is chosen with the peer, so that each peer has all ports
    (void)::setsockopt(socket.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_storage storage;
    const socklen_t length = Endpoint{*source, 0}.to_sockaddr(storage);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0)
        throw_errno("source address " + source->to_string());
}

/// A socket whose connection is made, or on its way. Throws std::system_error.
Fd begin_connection(const Endpoint& peer, std::span<const IpAddress> sources) {
    sockaddr_storage storage;
    const socklen_t length = peer.to_sockaddr(storage);
    Fd socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) throw_errno("socket");
    const int on = 1;
    (void)::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    use_source(socket, peer, sources);
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0 && errno != EINPROGRESS)
        throw_errno("connect to " + peer.to_string());
    return socket;
}

/// Throws std::system_error if the socket, which poll(2) has named, is not connected.
void check_connection(const Fd& socket, const Endpoint& peer) {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) throw_errno("getsockopt");
    if (error != 0) throw_errno(error, "connect to " + peer.to_string());
}

/// Connections to several addresses of one server, of which the first that is made counts.
class ConnectionRace {
  public:
    ConnectionRace(std::span<const Endpoint> peers, Deadline deadline, std::span<const IpAddress> sources)
        : left_(peers.begin(), peers.end()), waiting_(peers), sources_(sources), deadline_(deadline) {}

    FirstConnection run() {
        for (;;) {
            if (!waiting_.empty()) begin_next();
            const Deadline pause = Deadline::earlier(Deadline::after(connection_head_start), deadline_);
            if (auto winner = wait(waiting_.empty() ? deadline_ : pause)) return std::move(*winner);
            if (deadline_.passed() || (attempts_.empty() && waiting_.empty())) give_up();
        }
    }

  private:
    struct Attempt {
        Endpoint peer;
        Fd socket;
    };

    void begin_next() {
        const Endpoint peer = waiting_.front();
        waiting_ = waiting_.subspan(1);
        try {
            attempts_.push_back({peer, begin_connection(peer, sources_)});
        } catch (const std::system_error&) {
            note_failure(peer);
        }
    }

    /// Called where an exception is handled.
    void note_failure(const Endpoint& peer) {
        if (!problem_) problem_ = std::current_exception();
        std::erase(left_, peer);
    }

    /// The connection that is made; nullopt when one has failed, or the time is over.
    std::optional<FirstConnection> wait(Deadline until) {
        while (!attempts_.empty() && !until.passed()) {
            std::vector<pollfd> entries;
            for (const Attempt& attempt : attempts_) entries.push_back({attempt.socket.get(), POLLOUT, 0});
            if (::poll(entries.data(), entries.size(), until.poll_timeout()) < 0 && errno != EINTR)
                throw_errno("poll");
            const auto entry =
                std::find_if(entries.begin(), entries.end(), [](const pollfd& e) { return e.revents != 0; });
            if (entry != entries.end()) return decide(std::next(attempts_.begin(), entry - entries.begin()));
        }
        return std::nullopt;
    }

    std::optional<FirstConnection> decide(std::vector<Attempt>::iterator attempt) {
        Attempt decided = std::move(*attempt);
        attempts_.erase(attempt);
        try {
            check_connection(decided.socket, decided.peer);
        } catch (const std::system_error&) {
            note_failure(decided.peer);
            return std::nullopt;
        }
        std::erase(left_, decided.peer);
        return FirstConnection{std::move(decided.socket), decided.peer, std::move(left_)};
    }

    [[noreturn]] void give_up() const {
        if (problem_) std::rethrow_exception(problem_);
        throw Timeout("connect to " + left_.front().to_string() + " timed out");
    }

    std::vector<Endpoint> left_;
    std::span<const Endpoint> waiting_;
    std::span<const IpAddress> sources_;
    std::vector<Attempt> attempts_;
    std::exception_ptr problem_;  // with the first that failed
    const Deadline deadline_;
};

}  // namespace

FirstConnection connect_to_first(std::span<const Endpoint> peers, Deadline deadline,
                                 std::span<const IpAddress> sources) {
    return ConnectionRace(peers, deadline, sources).run();
}

Fd connect_to(const Endpoint& peer, Deadline deadline) {
    return connect_to_first({&peer, 1}, deadline).socket;
}

// Such a socket cannot be waited for with poll(2) while its server is busy: the kernel waits.
Fd connect_to(const std::string& path, Deadline deadline) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.size() >= sizeof name.sun_path) throw_errno(ENAMETOOLONG, "connect to " + path);
    path.copy(name.sun_path, path.size());
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) throw_errno("socket");
    const int patience = std::max(deadline.poll_timeout(), 1);
    const timeval most{patience / 1000, patience % 1000 * 1000};
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most) != 0)
        throw_errno("setsockopt");
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
        if (errno == EAGAIN || errno == EINPROGRESS) throw Timeout("connect to " + path + " timed out");
        throw_errno("connect to " + path);
    }
    if (::fcntl(socket.get(), F_SETFL, O_NONBLOCK) != 0) throw_errno("fcntl");
    return socket;
}

void alternate_families(std::vector<Endpoint>& peers) {
    std::vector<Endpoint> sixes, fours;
    for (const Endpoint& peer : peers) (peer.address.is_v6() ? sixes : fours).push_back(peer);
    peers.clear();
    for (std::size_t i = 0; i < std::max(sixes.size(), fours.size()); ++i) {
        if (i < sixes.size()) peers.push_back(sixes[i]);
        if (i < fours.size()) peers.push_back(fours[i]);
    }
}

}  // namespace postoffice
