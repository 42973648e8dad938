#include "session_pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/net/private_key.h"
#include "postoffice/policy/client.h"

namespace postoffice {
namespace {

constexpr std::size_t spare_processes = 2;       // idle ones kept beside those that the last moments needed
constexpr std::size_t busy_limit = 20;           // busy sessions from which silence is parked early
constexpr std::uint32_t park_after_calm = 2000;  // milliseconds
constexpr std::uint32_t park_after_crowded = 5;
constexpr int starts_at_a_time = 8;

}  // namespace

SessionPool::SessionPool(const Config& config, Epoll& epoll, ConnectionLimits& limits,
                         const SessionResources& resources, OnReturned on_returned)
    : config_(config),
      epoll_(epoll),
      limits_(limits),
      resources_(resources),
      on_returned_(std::move(on_returned)) {}

/// With many sessions the time is short for which a silent client may keep a process.
std::uint32_t SessionPool::park_after() const {
    return busy_ > busy_limit ? park_after_crowded : park_after_calm;
}

void SessionPool::hand_over(AcceptedClient client) {
    while (idle_count() > 0)
        if (give_to(processes_.begin(), client)) return;
    if (processes_.size() < busy_limit) return start_process_for(std::move(client));
    // Of so many processes one is idle again within moments, as a rule.
    client.since = Clock::now();
    waiting_.push_back(std::move(client));
}

/// The process sees the end of its channel, and leaves. What it may have sent is closed elsewhere.
void SessionPool::remove(Processes::iterator process) {
    forget_channel(*process);
    foreign_.add(std::move(process->worker.channel));
    processes_.erase(process);
}

/// A process that was forked just now may still have a copy of the channel, so that its close here would
/// leave it readable for ever.
void SessionPool::forget_channel(const SessionProcess& process) {
    process_of_.erase(process.worker.channel.get());
    epoll_.remove(process.worker.channel.get());
}

/// False if the process ended while it was idle.
bool SessionPool::give_to(Processes::iterator process, AcceptedClient& client) {
    const int channel = process->worker.channel.get();
    const int descriptors[] = {client.socket.get()};
    const ClientHandover handover{client.state, park_after()};
    // A captured process may call itself idle and read nothing: the listener never waits for it.
    if (send_packet_now(channel, std::as_bytes(std::span(&handover, 1)), descriptors) != Sent::yes) {
        remove(process);
        return false;
    }
    process->is_busy = true;
    process->client = client.address;
    process->since = Clock::now();
    process->is_front_end = client.is_front_end();
    processes_.splice(processes_.end(), processes_, process);
    ++busy_;
    never_needed_ = std::min(never_needed_, idle_count());
    return true;
}

void SessionPool::start_process_for(AcceptedClient client) try {
    foreign_.close_all();
    if (resources_.passes != nullptr) resources_.pass = resources_.passes->pass_for(next_pass_++);
    KeyChannelEnds key = resources_.key_keeper.open_channel();
    Worker worker =
        start_worker("session idle",
                     {resources_.spawner.fd(), resources_.notifications.fd(), resources_.authenticator.fd(),
                      resources_.coal.fd(), resources_.scanner.fd(), key.questions.get(), key.answers.get()},
                     [&](Fd channel) {
                         if (resources_.passes != nullptr) resources_.passes->wipe();
                         set_key_channel(std::move(key.questions), std::move(key.answers));
                         return run_session_process(config_, std::move(channel), resources_, session_calls_);
                     });
    const auto started = processes_.insert(processes_.begin(), {std::move(worker), false, {}});
    epoll_.add(started->worker.channel.get());
    process_of_[started->worker.channel.get()] = started;
    if (!give_to(started, client)) throw PeerGone("a new process ended at once");
} catch (const std::exception& error) {
    log_event("", "no-session-process", {{"reason", in_plain_words(error)}});
    client.refuse({421, "4.3.2", "No resources here now; try again later"});
    if (!client.is_front_end()) limits_.release(client.address);
}

void SessionPool::serve_waiting() {
    const auto now = Clock::now();
    int may_start = now - last_start_ < short_wait ? 0 : starts_at_a_time;
    while (!waiting_.empty()) {
        const bool must_start = idle_count() == 0;
        if (must_start && (now - waiting_.front().since < short_wait || may_start-- == 0)) return;
        if (must_start) last_start_ = now;
        AcceptedClient client = std::move(waiting_.front());
        waiting_.pop_front();
        if (must_start)
            start_process_for(std::move(client));
        else
            hand_over(std::move(client));
    }
}

bool SessionPool::serve(int channel) {
    const auto process = process_of_.find(channel);
    if (process == process_of_.end()) return false;
    process_answered(process->second);
    return true;
}

/// That there is no descriptor left for the client counts as an answer that cannot be used.
StructArrival<SessionEnded> SessionPool::answer_of(int channel) try {
    return receive_struct_now<SessionEnded>(channel);
} catch (const std::system_error& error) {
    log_event("", "client-lost", {{"reason", error.what()}});
    return {PacketArrival::Kind::unusable};
}

void SessionPool::process_answered(Processes::iterator process) {
    const int channel = process->worker.channel.get();
    auto over = answer_of(channel);
    // The event was that of another process, which has been ended since, and whose descriptor this one got.
    if (over.kind == PacketArrival::Kind::nothing) return;
    const bool is_answer = over.kind == PacketArrival::Kind::packet;
    if (process->is_busy) --busy_;
    const bool was_busy = std::exchange(process->is_busy, false);
    const bool was_front_end = process->is_front_end;
    const IpAddress address = process->client;
    processes_.splice(processes_.begin(), processes_, process);
    if (over.kind == PacketArrival::Kind::end) {  // that is how every session but a clean one ends
        forget_channel(*process);
        processes_.erase(process);
    } else if (!is_answer) {
        remove(process);
    }
    if (is_answer && was_busy && over.value.how != SessionEnded::How::ready && over.descriptors.size() == 1) {
        AcceptedClient client;
        client.socket = std::move(over.descriptors.front());
        client.address = address;
        client.state = over.value.state;
        if (over.value.how == SessionEnded::How::parked)
            return on_returned_(std::move(client), was_front_end);
        remove(processes_.begin());
        return hand_over(std::move(client));
    }
    foreign_.add(std::move(over.descriptors));
    if (was_busy && !was_front_end) limits_.release(address);
}

/// Idle processes stand in front, those that were used last first.
void SessionPool::end_idle(std::size_t most) {
    for (; most > 0 && idle_count() > 0; --most)
        remove(std::next(processes_.begin(), static_cast<std::ptrdiff_t>(idle_count()) - 1));
}

void SessionPool::end_idle() {
    end_idle(idle_count());
}

void SessionPool::end_unneeded() {
    if (never_needed_ > spare_processes) end_idle(never_needed_ - spare_processes);
    never_needed_ = idle_count();
}

void SessionPool::log_status() const {
    for (const SessionProcess& process : processes_) {
        if (!process.is_busy) continue;
        const auto time = std::chrono::duration_cast<Seconds>(Clock::now() - process.since);
        const pid_t pid = process.worker.pid;
        log_event("", "status",
                  {{"process", "session"},
                   {"child", std::to_string(pid)},
                   {"client", Client{process.client}.text()},
                   {"served-for", duration_text(time)},
                   {"title", process_title(pid)}});
    }
}

void SessionPool::disconnect_waiting(const Reply& reply) {
    for (AcceptedClient& client : waiting_) {
        client.refuse(reply);
        client.close();
    }
    waiting_.clear();
}

}  // namespace postoffice
