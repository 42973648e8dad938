#include "postoffice/daemon/listener.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "postoffice/base/error.h"
#include "postoffice/base/idn.h"
#include "postoffice/base/log.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/daemon/session_handover.h"

namespace postoffice {
namespace {

constexpr std::size_t spare_processes = 32;  // idle ones kept for the next burst
constexpr std::chrono::seconds spare_idle_limit{30};
constexpr std::size_t crowd = 20;                // busy sessions from which silence is parked early
constexpr std::uint32_t park_after_calm = 2000;  // milliseconds
constexpr std::uint32_t park_after_crowded = 50;
constexpr std::chrono::seconds load_interval{5};
constexpr int accepts_in_a_row = 64;

void say(int socket, std::string_view line) {
    (void)::send(socket, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

Listener::Listener(const Config& config, std::vector<ListeningSocket> sockets, const SessionProcessSockets& helpers)
    : config_(config),
      sockets_(std::move(sockets)),
      helpers_(helpers),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throw_errno("epoll_create");
    for (const ListeningSocket& one : sockets_) watch(one.socket.get());
}

void Listener::watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) throw_errno("epoll_ctl");
}

int Listener::run() {
    SignalSource signals({SIGTERM, SIGINT, SIGCHLD, SIGHUP});
    watch(signals.fd());
    (void)idn_is_available();  // loaded once, for all sessions
    while (!is_done()) {
        std::array<epoll_event, 64> events;
        const int n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 1000);
        if (n < 0 && errno != EINTR) throw_errno("epoll_wait");
        for (int i = 0; i < n; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (fd != signals.fd()) {
                serve(fd);
                continue;
            }
            while (const int signal = signals.next())
                if (signal == SIGTERM || signal == SIGINT) stop();
            for (ProcessEnd end = reap_child(); end.pid != 0; end = reap_child()) log_if_crashed("SMTP session", end);
        }
        housekeeping();
    }
    return 0;
}

void Listener::serve(int fd) {
    if (const auto process = process_of_.find(fd); process != process_of_.end())
        return process_answered(process->second);
    if (parked_.contains(fd)) return wake(fd);
    const auto ours = std::find_if(sockets_.begin(), sockets_.end(),
                                   [fd](const ListeningSocket& one) { return one.socket.get() == fd; });
    if (ours != sockets_.end()) accept_clients(*ours);
}

// ---- arrivals

void Listener::accept_clients(const ListeningSocket& listening) {
    for (int i = 0; i < accepts_in_a_row; ++i) {
        sockaddr_storage from{};
        socklen_t length = sizeof from;
        Fd accepted(
            ::accept4(listening.socket.get(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!accepted) {
            // Anything else is one client's bad luck (gone already) or lack of descriptors, which passes.
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                log_event("", "accept-failed", {{"reason", std::generic_category().message(errno)}});
            return;
        }
        const auto peer = Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&from));
        if (!peer) continue;
        if (const char* refusal = reason_to_refuse(peer->address)) {
            if (!listening.listen.tls) say(accepted.get(), refusal);
            log_event("", "client-refused",
                      {{"client", peer->address.to_string()}, {"reply", trim(refusal)}});
            continue;
        }
        Client client;
        client.socket = std::move(accepted);
        client.address = peer->address;
        client.state.client_address.assign_cut(peer->address.to_string());
        client.state.tls_first = listening.listen.tls ? 1 : 0;
        client.state.submission = listening.listen.submission ? 1 : 0;
        ++clients_of_[peer->address];
        hand_over(std::move(client));
    }
}

const char* Listener::reason_to_refuse(const IpAddress& address) const {
    if (client_count() >= config_.clients) return "421 4.3.2 Too many clients here now; try again later\r\n";
    const auto known = clients_of_.find(address);
    if (known != clients_of_.end() && known->second >= config_.client_connections && !address.is_loopback())
        return "421 4.7.0 Too many connections from your address; try again later\r\n";
    if (is_overloaded()) return "421 4.3.2 This host is too busy now; try again later\r\n";
    return nullptr;
}

bool Listener::is_overloaded() const {
    const auto now = Clock::now();
    if (now - load_asked_ >= load_interval) {
        load_asked_ = now;
        const unsigned limit =
            config_.load != 0 ? config_.load : 4 * std::max(1U, std::thread::hardware_concurrency());
        double average = 0;
        overloaded_ = ::getloadavg(&average, 1) == 1 && average > limit;
    }
    return overloaded_;
}

// ---- session processes

Listener::Processes::iterator Listener::idle_process() {
    // Idle ones stand in front, the one used last first: its memory is still warm.
    if (!processes_.empty() && !processes_.front().is_busy) return processes_.begin();
    Worker worker = start_worker("SMTP idle", {helpers_.spawner, helpers_.announce, helpers_.authenticator}, [this](Fd channel) {
        return run_session_process(config_, std::move(channel), helpers_);
    });
    const auto started = processes_.insert(processes_.begin(), {std::move(worker), false, {}});
    watch(started->worker.channel.get());
    process_of_[started->worker.channel.get()] = started;
    return started;
}

// A crowd shortens the time for which a silent client may keep a process.
std::uint32_t Listener::park_after() const {
    return busy_ > crowd ? park_after_crowded : park_after_calm;
}

void Listener::hand_over(Client client) try {
    for (;;) {
        const auto process = idle_process();
        const int descriptors[] = {client.socket.get()};
        try {
            send_struct(process->worker.channel.get(), ClientHandover{client.state, park_after()},
                        descriptors);
        } catch (const PeerGone&) {  // it ended while idle
            process_of_.erase(process->worker.channel.get());
            processes_.erase(process);
            continue;
        }
        process->is_busy = true;
        process->client = client.address;
        processes_.splice(processes_.end(), processes_, process);
        ++busy_;
        return;
    }
} catch (const std::system_error& error) {
    log_event("", "no-session-process", {{"reason", error.what()}});
    say(client.socket.get(), "421 4.3.2 No resources here now; try again later\r\n");
    client_left(client.address);
}

void Listener::process_answered(Processes::iterator process) {
    const int channel = process->worker.channel.get();
    auto over = receive_struct<SessionOver>(channel);
    if (process->is_busy) --busy_;
    const bool was_busy = std::exchange(process->is_busy, false);
    const IpAddress address = process->client;
    process->worker.idle_since = Clock::now();
    processes_.splice(processes_.begin(), processes_, process);
    if (over && was_busy && over->value.how == SessionOver::How::parked && over->descriptors.size() == 1) {
        Client client;
        client.socket = std::move(over->descriptors.front());
        client.address = address;
        client.state = over->value.state;
        return park(std::move(client));
    }
    if (was_busy) client_left(address);
    if (!over) {  // it ended: that is how every session but a clean one ends
        process_of_.erase(channel);
        processes_.erase(process);
    }
}

void Listener::client_left(const IpAddress& address) {
    const auto known = clients_of_.find(address);
    if (known != clients_of_.end() && --known->second == 0) clients_of_.erase(known);
}

// ---- silent clients

void Listener::park(Client client) {
    const int fd = client.socket.get();
    if (stopping_) {
        say(fd, "421 4.3.2 This host is shutting down; try again later\r\n");
        return client_left(client.address);
    }
    client.deadline = Clock::now() + config_.timeout;
    patience_.emplace_back(client.deadline, fd);
    watch(fd);
    parked_.emplace(fd, std::move(client));
}

void Listener::wake(int socket) {
    hand_over(unpark(socket));
}

Listener::Client Listener::unpark(int socket) {
    const auto found = parked_.find(socket);
    Client client = std::move(found->second);
    parked_.erase(found);
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket, nullptr);
    return client;
}

// ---- the passing of time

void Listener::housekeeping() {
    const auto now = Clock::now();
    while (!patience_.empty() && patience_.front().first <= now) {
        const auto [deadline, fd] = patience_.front();
        patience_.pop_front();
        const auto client = parked_.find(fd);
        // Woken since then, or the number belongs to another client by now.
        if (client == parked_.end() || client->second.deadline != deadline) continue;
        const Client silent = unpark(fd);
        say(fd, "421 4.4.2 You have been silent for too long; goodbye\r\n");
        log_event("", "client-silent", {{"client", silent.address.to_string()}});
        client_left(silent.address);
    }
    std::size_t idle = processes_.size() - std::min(processes_.size(), busy_);
    for (auto process = processes_.begin();
         process != processes_.end() && (idle > spare_processes || stopping_);) {
        const bool may_end =
            !process->is_busy && (stopping_ || now - process->worker.idle_since > spare_idle_limit);
        if (!may_end) {
            ++process;
            continue;
        }
        process_of_.erase(process->worker.channel.get());
        process = processes_.erase(process);  // end of file on its channel tells it to leave
        --idle;
    }
}

void Listener::stop() {
    stopping_ = true;
    sockets_.clear();
    for (auto& [fd, client] : parked_) say(fd, "421 4.3.2 This host is shutting down; try again later\r\n");
    parked_.clear();
    patience_.clear();
}

bool Listener::is_done() const {
    return stopping_ && busy_ == 0;
}

// ---- binding

namespace {

Fd bind_one(const Endpoint& endpoint, bool only_v6) {
    sockaddr_storage storage;
    const socklen_t length = endpoint.to_sockaddr(storage);
    Fd socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) throw_errno("socket for " + endpoint.to_string());
    const int on = 1;
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (only_v6) (void)::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0)
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
