#include "postoffice/daemon/listener.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "postoffice/base/error.h"
#include "postoffice/base/idn.h"
#include "postoffice/base/log.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/process.h"
#include "postoffice/daemon/coal_runner.h"
#include "postoffice/daemon/key_keeper.h"
#include "postoffice/daemon/session_handover.h"
#include "postoffice/net/private_key.h"
#include "postoffice/policy/client_rates.h"

namespace postoffice {
namespace {

constexpr std::size_t spare_processes = 2;       // idle ones kept beside those that the last moments needed
constexpr std::size_t busy_limit = 20;           // busy sessions from which silence is parked early
constexpr std::uint32_t park_after_calm = 2000;  // milliseconds
constexpr std::uint32_t park_after_crowded = 5;
constexpr std::chrono::seconds look_interval{1};
constexpr std::chrono::seconds accept_pause{1};
constexpr std::chrono::seconds silence_that_makes_room{10};
constexpr int accepts_in_a_row = 64;
constexpr std::size_t other_descriptors = 48;
constexpr int starts_at_a_time = 8;
constexpr std::chrono::milliseconds short_wait{20};

constexpr std::string_view shutting_down = "421 4.3.2 This host is shutting down; try again later\r\n";
constexpr std::string_view silent_too_long = "421 4.4.2 You have been silent for too long; goodbye\r\n";
constexpr std::string_view make_room = "421 4.3.2 Others need your place; please come back later\r\n";

// Not one of ours, not a user, and brought no mail yet.
bool is_stranger(const Config& config, const IpAddress& address, const SessionState& state) {
    return state.user.bytes[0] == '\0' && state.messages == 0 && !is_exempt_address(config, address);
}

}  // namespace

Listener::Listener(const Config& config, std::vector<ListeningSocket> sockets,
                   const SessionProcessSockets& helpers, SocketPair succession)
    : config_(config),
      sockets_(std::move(sockets)),
      helpers_(helpers),
      spool_shares_(config.clients),
      misconduct_(config, helpers.rates,
                  [this](const IpAddress& address) { name_to_coal_runner(helpers_.coal, address); }),
      limits_(config, helpers.rates, misconduct_),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      handover_(std::move(succession)) {
    if (!epoll_) throw_errno("epoll_create");
    helpers_.load_level = &load_level_;
    helpers_.spool_shares = &spool_shares_;
    places_ = places_within(make_room_for_descriptors(descriptors_for(config)));
    for (const ListeningSocket& one : sockets_) watch(one.socket.get());
    watch(handover_.theirs.get());
}

// One for each client that is parked, one for the channel of each process; some for everything else.
std::size_t Listener::descriptors_for(const Config& config) {
    return 2 * std::size_t{config.clients} + other_descriptors;
}

// Whoever is let in must find a descriptor when he is parked: there are fewer places rather than that.
std::size_t Listener::places_within(std::size_t descriptors) const {
    if (descriptors >= descriptors_for(config_)) return config_.clients;
    const std::size_t places =
        std::max<std::size_t>((descriptors - std::min(descriptors, other_descriptors - 2)) / 2, 1);
    log_event("", "few-descriptors",
              {{"limit", std::to_string(descriptors)},
               {"needed", std::to_string(descriptors_for(config_))},
               {"clients", std::to_string(places)}});
    return places;
}

// Where TLS is expected, nothing can be said in the clear.
void Listener::Client::send_line(std::string_view line) const {
    if (state.awaits_tls != 0) return;
    (void)::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

// A captured session may have set SO_LINGER, by which a close waits for the peer.
void Listener::Client::close() {
    const linger never{0, 0};
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &never, sizeof never);
    socket.reset();
}

void Listener::watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) throw_errno("epoll_ctl");
}

int Listener::run() {
    SignalSource signals({SIGTERM, SIGINT, SIGCHLD, SIGHUP, retire_signal});
    watch(signals.fd());
    (void)idn_is_available();  // loaded once, for all sessions
    while (!is_done()) {
        std::array<epoll_event, 64> events;
        const int n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   waiting_.empty() && !(retiring_ && !parked_.empty())
                                       ? 1000
                                       : static_cast<int>(short_wait.count()));
        if (n < 0 && errno != EINTR) throw_errno("epoll_wait");
        for (int i = 0; i < n; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (fd != signals.fd()) {
                serve(fd);
                continue;
            }
            while (const int signal = signals.next()) {
                if (signal == SIGTERM || signal == SIGINT) stop();
                if (signal == retire_signal) retire();
            }
            for (ProcessEnd end = reap_child(); end.pid != 0; end = reap_child()) {
                spool_shares_.release(end.pid);
                log_if_crashed("SMTP session", end);
            }
        }
        housekeeping();
    }
    return 0;
}

void Listener::serve(int fd) {
    if (const auto process = process_of_.find(fd); process != process_of_.end())
        return process_answered(process->second);
    if (const auto client = parked_at_.find(fd); client != parked_at_.end())
        return hand_over(unpark(client->second));
    if (fd == handover_.theirs.get()) return receive_clients();
    const auto ours = std::find_if(sockets_.begin(), sockets_.end(),
                                   [fd](const ListeningSocket& one) { return one.socket.get() == fd; });
    if (ours != sockets_.end()) accept_clients(*ours);
}

// ---- arrivals

void Listener::accept_clients(const ListeningSocket& listening) {
    for (int i = 0; i < accepts_in_a_row; ++i) {
        sockaddr_storage from{};
        socklen_t length = sizeof from;
        Fd accepted(::accept4(listening.socket.get(), reinterpret_cast<sockaddr*>(&from), &length,
                              SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!accepted) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                pause_accepting(errno);
            // Anything else is one client's bad luck: he is gone already.
            return;
        }
        const auto peer = Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&from));
        if (!peer) continue;
        Client client;
        client.socket = std::move(accepted);
        client.address = peer->address;
        client.state.client_address.assign_cut(peer->address.to_string());
        client.state.awaits_tls = listening.listen.tls ? 1 : 0;
        client.state.submission = listening.listen.submission ? 1 : 0;
        greet(std::move(client));
    }
}

// A front end takes a place, but none of the limits is for it.
void Listener::greet(Client client) {
    if (client_count() >= places_ && !make_room_for(client.address)) {
        const Reply reply{421, "4.3.2", "Too many clients here now; try again later"};
        limits_.log_refusal(client.address, reply);
        return client.send_line(reply.wire());
    }
    if (!limits_.is_front_end(client.address)) return admit(std::move(client));
    client.state.phase = SessionState::Phase::announced;
    hand_over(std::move(client));
}

void Listener::admit(Client client) {
    if (const auto refusal = limits_.admit(client.address)) return client.send_line(refusal->wire());
    hand_over(std::move(client));
}

// The stranger who is silent for longest has to go, if it was long enough; for one of ours, at once.
bool Listener::make_room_for(const IpAddress& address) {
    const bool is_ours = is_exempt_address(config_, address);
    const auto latest = Clock::now() - silence_that_makes_room;
    for (auto client = parked_.begin(); client != parked_.end(); ++client) {
        if (!is_ours && client->since > latest) return false;
        if (!is_stranger(config_, client->address, client->state)) continue;
        send_away(client, make_room, "client-made-room");
        return true;
    }
    return false;
}

// Without this, the ones who wait would wake us without end.
void Listener::pause_accepting(int error) {
    log_event("", "accept-failed", {{"reason", std::generic_category().message(error)}});
    accept_again_ = Clock::now() + accept_pause;
    for (const ListeningSocket& one : sockets_)
        (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, one.socket.get(), nullptr);
}

// ---- session processes

// A crowd shortens the time for which a silent client may keep a process.
std::uint32_t Listener::park_after() const {
    return busy_ > busy_limit ? park_after_crowded : park_after_calm;
}

// In a crowd a process is free again within moments, as a rule; one more is started only if it is not.
void Listener::hand_over(Client client) {
    while (idle_count() > 0)
        if (give_to(processes_.begin(), client)) return;
    if (processes_.size() < busy_limit) return start_process_for(std::move(client));
    client.since = Clock::now();
    waiting_.push_back(std::move(client));
}

// It sees the end of its channel, and leaves. What it may have sent is closed elsewhere.
void Listener::forget_process(Processes::iterator process) {
    process_of_.erase(process->worker.channel.get());
    foreign_.add(std::move(process->worker.channel));
    processes_.erase(process);
}

// False if the process ended while it was idle.
bool Listener::give_to(Processes::iterator process, Client& client) {
    const int channel = process->worker.channel.get();
    const int descriptors[] = {client.socket.get()};
    const ClientHandover handover{client.state, park_after()};
    // A captured process may call itself idle and read nothing: this one never waits for it.
    if (send_packet_now(channel, std::as_bytes(std::span(&handover, 1)), descriptors) != Sent::yes) {
        forget_process(process);
        return false;
    }
    process->is_busy = true;
    process->client = client.address;
    process->is_front_end = client.state.phase == SessionState::Phase::announced;
    processes_.splice(processes_.end(), processes_, process);
    ++busy_;
    never_needed_ = std::min(never_needed_, idle_count());
    return true;
}

void Listener::start_process_for(Client client) try {
    foreign_.close_all();
    if (helpers_.passes != nullptr) helpers_.pass = helpers_.passes->pass_for(next_pass_++);
    KeyChannelEnds key =
        helpers_.key_channels < 0 ? KeyChannelEnds() : offer_key_channel(helpers_.key_channels);
    Worker worker =
        start_worker("SMTP idle",
                     {helpers_.spawner, helpers_.announce, helpers_.authenticator, helpers_.coal,
                      key.questions.get(), key.answers.get()},
                     [&](Fd channel) {
                         if (helpers_.passes != nullptr) helpers_.passes->wipe();
                         set_key_channel(std::move(key.questions), std::move(key.answers));
                         return run_session_process(config_, std::move(channel), helpers_, session_calls_);
                     });
    const auto started = processes_.insert(processes_.begin(), {std::move(worker), false, {}});
    watch(started->worker.channel.get());
    process_of_[started->worker.channel.get()] = started;
    if (!give_to(started, client)) throw PeerGone("a new process ended at once");
} catch (const std::exception& error) {
    log_event("", "no-session-process", {{"reason", in_plain_words(error)}});
    client.send_line("421 4.3.2 No resources here now; try again later\r\n");
    if (client.state.phase != SessionState::Phase::announced) limits_.release(client.address);
}

void Listener::serve_waiting() {
    const auto now = Clock::now();
    int may_start = now - last_start_ < short_wait ? 0 : starts_at_a_time;
    while (!waiting_.empty()) {
        const bool must_start = idle_count() == 0;
        if (must_start && (now - waiting_.front().since < short_wait || may_start-- == 0)) return;
        if (must_start) last_start_ = now;
        Client client = std::move(waiting_.front());
        waiting_.pop_front();
        if (must_start)
            start_process_for(std::move(client));
        else
            hand_over(std::move(client));
    }
}

// That there is no descriptor left for the client counts as an answer that cannot be used.
StructArrival<SessionEnded> Listener::answer_of(int channel) try {
    return receive_struct_now<SessionEnded>(channel);
} catch (const std::system_error& error) {
    log_event("", "client-lost", {{"reason", error.what()}});
    return {PacketArrival::Kind::unusable};
}

void Listener::process_answered(Processes::iterator process) {
    const int channel = process->worker.channel.get();
    auto over = answer_of(channel);
    // The event was that of another process, which was dismissed since, and whose descriptor this one got.
    if (over.kind == PacketArrival::Kind::nothing) return;
    const bool is_answer = over.kind == PacketArrival::Kind::packet;
    if (process->is_busy) --busy_;
    const bool was_busy = std::exchange(process->is_busy, false);
    const bool is_front_end = process->is_front_end;
    const IpAddress address = process->client;
    processes_.splice(processes_.begin(), processes_, process);
    if (over.kind == PacketArrival::Kind::end) {  // that is how every session but a clean one ends
        process_of_.erase(channel);
        processes_.erase(process);
    } else if (!is_answer) {
        forget_process(process);
    }
    if (is_answer && was_busy && over.value.how != SessionEnded::How::ready && over.descriptors.size() == 1) {
        Client client;
        client.socket = std::move(over.descriptors.front());
        client.address = address;
        client.state = over.value.state;
        if (over.value.how == SessionEnded::How::parked)
            return client_came_back(std::move(client), is_front_end);
        forget_process(processes_.begin());
        return hand_over(std::move(client));
    }
    foreign_.add(std::move(over.descriptors));
    if (was_busy && !is_front_end) limits_.release(address);
}

void Listener::client_came_back(Client client, bool is_front_end) {
    if (!is_front_end) return park(std::move(client));
    // The session has read who the client is; he comes in like everybody.
    const auto address = IpAddress::parse(client.state.client_address.str());
    if (!address || client.state.phase != SessionState::Phase::arrived || (stopping_ && !retiring_)) return;
    client.address = *address;
    admit(std::move(client));
}

// They stand in front, those that were used last first.
void Listener::dismiss_idle(std::size_t most) {
    for (; most > 0 && idle_count() > 0; --most)
        forget_process(std::next(processes_.begin(), static_cast<std::ptrdiff_t>(idle_count()) - 1));
}

// ---- silent clients

void Listener::park(Client client) {
    const int fd = client.socket.get();
    if (retiring_ && send_to_successor(client)) return limits_.release(client.address);
    if (stopping_ && !retiring_) {
        client.send_line(shutting_down);
        client.close();
        return limits_.release(client.address);
    }
    client.since = Clock::now();
    watch(fd);
    parked_.push_back(std::move(client));
    parked_at_[fd] = std::prev(parked_.end());
}

Listener::Client Listener::unpark(Clients::iterator place) {
    Client client = std::move(*place);
    parked_at_.erase(client.socket.get());
    parked_.erase(place);
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, client.socket.get(), nullptr);
    return client;
}

void Listener::send_away(Clients::iterator place, std::string_view line, std::string_view event) {
    Client client = unpark(place);
    client.send_line(line);
    log_event("", event, {{"client", client.address.to_string()}});
    limits_.release(client.address);
    client.close();
}

void Listener::look_for_the_silent() {
    const auto now = Clock::now();
    for (auto client = parked_.begin(); client != parked_.end();) {
        const auto next = std::next(client);
        const Milliseconds whole = config_.timeout;
        const Milliseconds patience = client->state.penalties.mail_was_refused ? whole / 10 : whole;
        if (now - client->since >= load_level_.shortened(patience))
            send_away(client, silent_too_long, "client-silent");
        client = next;
    }
}

// ---- the passing of time

void Listener::housekeeping() {
    load_level_.set(client_count(), places_);
    serve_waiting();
    foreign_.close_all();
    if (retiring_) send_parked_to_successor();
    if (stopping_) dismiss_idle(idle_count());
    const auto now = Clock::now();
    if (now - last_look_ < look_interval) return;
    last_look_ = now;
    show_client_count();
    look_for_the_silent();
    if (never_needed_ > spare_processes) dismiss_idle(never_needed_ - spare_processes);
    never_needed_ = idle_count();
    if (accept_again_ != Clock::time_point() && now >= accept_again_) {
        accept_again_ = {};
        for (const ListeningSocket& one : sockets_) watch(one.socket.get());
    }
}

void Listener::show_client_count() {
    const std::size_t count = client_count();
    if (std::exchange(shown_count_, count) != count)
        set_process_title("listener, " + std::to_string(count) + (count == 1 ? " client" : " clients"));
}

void Listener::stop() {
    stopping_ = true;
    retiring_ = false;
    sockets_.clear();
    const auto send_home = [](Client& client) {
        client.send_line(shutting_down);
        client.close();
    };
    std::for_each(parked_.begin(), parked_.end(), send_home);
    std::for_each(waiting_.begin(), waiting_.end(), send_home);
    parked_.clear();
    parked_at_.clear();
    waiting_.clear();
}

bool Listener::is_done() const {
    return stopping_ && busy_ == 0 && parked_.empty() && waiting_.empty();
}

}  // namespace postoffice
