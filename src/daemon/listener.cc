#include "listener.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/idn.h"
#include "postoffice/base/log.h"

namespace postoffice {
namespace {

constexpr std::chrono::seconds look_interval{1};
constexpr std::chrono::seconds accept_pause{1};
constexpr int accepts_in_a_row = 64;
constexpr std::size_t other_descriptors = 48;

}  // namespace

Listener::Listener(const Config& config, std::vector<ListeningSocket> sockets,
                   const SessionResources& resources, Succession succession)
    : config_(config),
      sockets_(std::move(sockets)),
      spool_shares_(config.limits.clients),
      misconduct_(config, resources.rates,
                  [coal = resources.coal](const IpAddress& address) { coal.name(address); }),
      limits_(config, resources.rates, misconduct_),
      sessions_(config, epoll_, limits_, with_own(resources),
                [this](AcceptedClient client, bool was_front_end) {
                    client_returned(std::move(client), was_front_end);
                }),
      parked_(config, epoll_, limits_),
      succession_(std::move(succession)) {
    places_ = places_within(make_room_for_descriptors(descriptors_for(config)));
    for (const ListeningSocket& one : sockets_) epoll_.add(one.socket.get());
    epoll_.add(succession_.fd());
}

SessionResources Listener::with_own(SessionResources resources) {
    resources.load_level = &load_level_;
    resources.spool_shares = &spool_shares_;
    return resources;
}

// One for each client that is parked, one for the channel of each process; some for everything else.
std::size_t Listener::descriptors_for(const Config& config) {
    return 2 * std::size_t{config.limits.clients} + other_descriptors;
}

// A client that is accepted must find a descriptor when it is parked: there are fewer places rather than
// that.
std::size_t Listener::places_within(std::size_t descriptors) const {
    if (descriptors >= descriptors_for(config_)) return config_.limits.clients;
    const std::size_t places =
        std::max<std::size_t>((descriptors - std::min(descriptors, other_descriptors - 2)) / 2, 1);
    log_event("", "few-descriptors",
              {{"limit", std::to_string(descriptors)},
               {"needed", std::to_string(descriptors_for(config_))},
               {"clients", std::to_string(places)}});
    return places;
}

// ---- the loop

int Listener::run() {
    SignalSource signals({SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGUSR2, retire_signal});
    epoll_.add(signals.fd());
    (void)idn_is_available();  // loaded once, for all sessions
    while (!is_done()) {
        const bool is_soon = sessions_.has_waiting() || (retiring_ && parked_.count() > 0);
        for (const int fd : epoll_.wait(is_soon ? static_cast<int>(SessionPool::short_wait.count()) : 1000)) {
            if (fd == signals.fd())
                handle_signals(signals);
            else
                serve(fd);
        }
        housekeeping();
    }
    return 0;
}

void Listener::handle_signals(SignalSource& signals) {
    while (const int signal = signals.next()) {
        if (signal == SIGTERM || signal == SIGINT) stop();
        if (signal == retire_signal) retire();
        if (signal == SIGUSR2) log_status();
    }
    for (ProcessEnd end = reap_child(); end.pid != 0; end = reap_child()) {
        spool_shares_.release(end.pid);
        log_if_crashed("session", end);
    }
}

void Listener::log_status() const {
    log_event("", "status",
              {{"process", "listener"},
               {"state", stopping_ || retiring_ ? "leaving" : "serving"},
               {"clients", std::to_string(client_count())},
               {"silent", std::to_string(parked_.count())},
               {"sessions", std::to_string(sessions_begun_)}});
    sessions_.log_status();
}

void Listener::serve(int fd) {
    if (sessions_.serve(fd)) return;
    if (auto client = parked_.take(fd)) return sessions_.hand_over(std::move(*client));
    if (fd == succession_.fd()) return receive_clients();
    const auto ours = std::find_if(sockets_.begin(), sockets_.end(),
                                   [fd](const ListeningSocket& one) { return one.socket.get() == fd; });
    if (ours != sockets_.end()) accept_clients(*ours);
}

void Listener::housekeeping() {
    load_level_.set(client_count(), places_);
    sessions_.serve_waiting();
    sessions_.close_foreign();
    if (retiring_) parked_.send_to(succession_);
    if (stopping_) sessions_.end_idle();
    const auto now = Clock::now();
    if (now - last_look_ < look_interval) return;
    last_look_ = now;
    show_client_count();
    parked_.disconnect_silent(load_level_);
    sessions_.end_unneeded();
    if (accept_again_ != Clock::time_point() && now >= accept_again_) go_on_accepting();
}

void Listener::show_client_count() {
    const std::size_t count = client_count();
    if (std::exchange(shown_count_, count) != count)
        set_process_title("listener, " + std::to_string(count) + (count == 1 ? " client" : " clients"));
}

// ---- new clients

void Listener::accept_clients(const ListeningSocket& listening) {
    for (int i = 0; i < accepts_in_a_row; ++i) {
        sockaddr_storage from{};
        socklen_t length = sizeof from;
        Fd accepted(::accept4(listening.socket.get(), reinterpret_cast<sockaddr*>(&from), &length,
                              SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!accepted) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                pause_accepting(errno);
            // After any other error this client is gone already.
            return;
        }
        ++sessions_begun_;
        const auto peer = Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&from));
        if (!peer) continue;
        AcceptedClient client;
        client.socket = std::move(accepted);
        client.address = peer->address;
        client.state.client_address.assign_cut(peer->address.to_string());
        client.state.awaits_tls = listening.listen.tls ? 1 : 0;
        client.state.submission = listening.listen.submission ? 1 : 0;
        client.state.pop3 = listening.listen.pop3 ? 1 : 0;
        client.state.pop3_domain.assign_cut(listening.listen.domain);
        greet(std::move(client));
    }
}

// Without a pause, the clients that wait would wake this process without end.
void Listener::pause_accepting(int error) {
    log_event("", "accept-failed", {{"reason", std::generic_category().message(error)}});
    accept_again_ = Clock::now() + accept_pause;
    for (const ListeningSocket& one : sockets_) epoll_.remove(one.socket.get());
}

void Listener::go_on_accepting() {
    accept_again_ = {};
    for (const ListeningSocket& one : sockets_) epoll_.add(one.socket.get());
}

// A front end takes a place, but none of the limits is for it.
void Listener::greet(AcceptedClient client) {
    if (client_count() >= places_ && !parked_.make_room_for(client.address)) {
        const Reply reply{421, "4.3.2", "Too many clients here now; try again later"};
        limits_.log_refusal(client.address, reply);
        return client.refuse(reply);
    }
    if (!limits_.is_front_end(client.address)) return admit(std::move(client));
    client.state.phase = SessionState::Phase::announced;
    sessions_.hand_over(std::move(client));
}

void Listener::admit(AcceptedClient client) {
    if (const auto refusal = limits_.admit(client.address)) return client.refuse(*refusal);
    sessions_.hand_over(std::move(client));
}

// ---- clients that come back

// A front end has named its client, which is admitted like any other.
void Listener::client_returned(AcceptedClient client, bool was_front_end) {
    if (!was_front_end) return park(std::move(client));
    const auto address = IpAddress::parse(client.state.client_address.str());
    if (!address || client.state.phase != SessionState::Phase::arrived || (stopping_ && !retiring_)) return;
    client.address = *address;
    admit(std::move(client));
}

void Listener::park(AcceptedClient client) {
    if (retiring_ && succession_.send(client)) return limits_.release(client.address);
    if (stopping_ && !retiring_) {
        client.refuse(shutting_down);
        client.close();
        return limits_.release(client.address);
    }
    parked_.park(std::move(client));
}

// The limits refuse none of them: an earlier listener has admitted them.
void Listener::receive_clients() {
    while (auto client = succession_.receive()) {
        limits_.count(client->address);
        park(std::move(*client));
    }
}

// ---- the end

void Listener::retire() {
    if (stopping_) return;
    stopping_ = retiring_ = true;
    sockets_.clear();
    epoll_.remove(succession_.fd());
    succession_.stop_receiving();
}

void Listener::stop() {
    stopping_ = true;
    retiring_ = false;
    sockets_.clear();
    parked_.disconnect_all(shutting_down);
    sessions_.disconnect_waiting(shutting_down);
}

}  // namespace postoffice
