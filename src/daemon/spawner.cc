#include "postoffice/daemon/spawner.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <deque>
#include <optional>
#include <variant>

#include "agent_table.h"
#include "postoffice/base/accounts.h"
#include "postoffice/base/error.h"
#include "postoffice/base/foreign_descriptors.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/recent_groups.h"
#include "postoffice/base/system_calls.h"
#include "postoffice/base/text.h"
#include "postoffice/daemon/assignment.h"
#include "postoffice/daemon/become_user.h"
#include "postoffice/local/agent_protocol.h"
#include "postoffice/local/instruction_agent.h"
#include "postoffice/local/local_agent.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/maildrop/maildrop_agent.h"
#include "postoffice/routing/domain_files.h"
#include "postoffice/routing/users.h"
#include "prepare_agent.h"

namespace postoffice {
namespace {

/// Requests read before children and deadlines are looked at again.
constexpr int most_requests_at_a_time = 64;

using Purpose = SpawnRequest::Purpose;

/// The spawner's own word on a channel for which there is no agent.
void send_refusal(int channel, const std::string& user, const DeliveryResult& result) {
    log_event("", "agent-not-started", {{"user", user}, {"reply", result.reply.line()}});
    DeliveryAnswer answer;
    answer.outcome = static_cast<std::uint8_t>(result.outcome);
    answer.for_all = 1;
    answer.status.assign_cut(result.reply.status);
    answer.text.assign_cut(result.reply.text);
    try {
        (void)send_packet_now(channel, std::as_bytes(std::span(&answer, 1)));
    } catch (const std::system_error&) {
        // A channel that cannot even be written to is its client's own doing.
    }
}

/// Answers all channels that the spawner has handed over: it hears of the end of an agent later. What it
/// hands over from now on goes to another agent. The channels are closed by the end of this process.
void refuse_all(const Fd& control, const std::string& user, const DeliveryResult& result) {
    (void)::shutdown(control.get(), SHUT_RD);
    ChannelHandover handover;
    for (;;) {
        auto arrival = receive_packet_now(control.get(), std::as_writable_bytes(std::span(&handover, 1)));
        if (arrival.kind != PacketArrival::Kind::packet) return;
        for (Fd& channel : arrival.packet.descriptors) send_refusal(channel.release(), user, result);
    }
}

class Spawner {
  public:
    Spawner(const Config& config, Fd requests, const TicketKey& tickets, const SpawnerLimits& limits)
        : config_(config),
          tickets_(tickets),
          limits_(limits),
          requests_(std::move(requests)),
          domains_(config.vhost.dir),
          agents_(config, limits_) {}

    int run();

  private:
    struct Waiting {
        AgentName name;
        Fd channel;
        Deadline patience;
        uid_t uid = 0;
    };

    void wait();
    void handle_signals();
    void read_requests();
    void malformed(const char* what);
    void refuse(Fd channel, const std::string& user, const DeliveryResult& result);
    void serve(const SpawnRequest& request, Fd channel);
    void serve(const AgentName& name, Fd channel);
    void start_agent(const AgentName& name, const Assignment& assignment, const Fd& channel);
    void start_maildrop_agent(const AgentName& name, const Assignment& assignment, Fd& channel);
    void start_instruction_agent(Purpose purpose, const Assignment& assignment, Fd& channel);
    void forget_everything();
    void keep_waiting(const AgentName& name, uid_t uid, Fd channel);
    void make_room(uid_t uid);
    void serve_waiting();
    void drain();
    void reap();
    void refuse_overdue();

    const Config& config_;
    const TicketKey& tickets_;
    const SpawnerLimits limits_;
    Fd requests_;
    std::optional<SignalSource> signals_{std::in_place, std::initializer_list<int>{SIGTERM, SIGINT, SIGCHLD}};
    const CallFilter mailbox_calls_{NeededCalls{.identity = true}};
    DomainTable domains_;
    RecentGroups groups_{Seconds(10)};
    AgentTable agents_;
    std::deque<Waiting> waiting_;  ///< for an agent to end, so that another may start
    ForeignDescriptors foreign_;   ///< to be closed by another process: a close may take long
    Deadline next_complaint_ = Deadline::after(Milliseconds(0));
    bool draining_ = false;
};

int Spawner::run() {
    while (!draining_ || !agents_.is_empty()) {
        wait();
        handle_signals();
        if (requests_) read_requests();
        refuse_overdue();
        agents_.kill_overdue();
        foreign_.close_all();
    }
    return 0;
}

void Spawner::wait() {
    pollfd polled[] = {{signals_->fd(), POLLIN, 0}, {requests_.get(), POLLIN, 0}};
    const bool has_deadlines = !waiting_.empty() || agents_.has_deadlines();
    if (::poll(polled, std::size(polled), has_deadlines ? 250 : -1) < 0 && errno != EINTR)
        throw_errno("poll");
}

void Spawner::handle_signals() {
    while (const int signal = signals_->next()) {
        if (signal != SIGCHLD) drain();
    }
    reap();  // one signal may stand for many children
}

void Spawner::read_requests() {
    for (int i = 0; i < most_requests_at_a_time; ++i) {
        SpawnRequest request;
        auto arrival = receive_packet_now(requests_.get(), std::as_writable_bytes(std::span(&request, 1)));
        if (arrival.kind == PacketArrival::Kind::nothing) return;
        auto& descriptors = arrival.packet.descriptors;
        const bool is_request = arrival.kind == PacketArrival::Kind::packet &&
                                arrival.packet.size == sizeof request &&
                                request.tag == SpawnRequest::own_tag && request.purpose <= Purpose::maildrop;
        if (is_request && descriptors.size() == 1 && is_packet_socket(descriptors.front().get())) {
            serve(request, std::move(descriptors.front()));
            continue;
        }
        malformed(is_request ? "no channel with the request" : "not a request");
        foreign_.add(std::move(descriptors));
    }
}

/// Logged at most once a second: a captured process may send a lot of it.
void Spawner::malformed(const char* what) {
    if (!next_complaint_.passed()) return;
    next_complaint_ = Deadline::after(Seconds(1));
    log_event("", "malformed-request", {{"process", "spawner"}, {"reason", what}});
}

/// The answer goes on the channel, which is closed later.
void Spawner::refuse(Fd channel, const std::string& user, const DeliveryResult& result) {
    send_refusal(channel.get(), user, result);
    foreign_.add(std::move(channel));
}

/// Which mailbox is opened for reading, the authenticator says, and not the session.
void Spawner::serve(const SpawnRequest& request, Fd channel) {
    if (request.purpose != Purpose::maildrop)
        return serve({request.purpose, request.user.str()}, std::move(channel));
    if (tickets_.is_valid(request.ticket))
        return serve({request.purpose, request.ticket.mailbox.str()}, std::move(channel));
    malformed("no valid ticket");
    foreign_.add(std::move(channel));
}

void Spawner::serve(const AgentName& name, Fd channel) {
    const std::string& user = name.purpose == Purpose::alias ? config_.routing.alias_user : name.user;
    try {
        if (draining_) return refuse(std::move(channel), user, deferred("4.3.2", "System is shutting down"));
        // When domains.cf was changed, its agents leave: a domain may have another owner now, or none.
        if (is_of_domain(name.purpose) && domains_.refresh()) agents_.ask_those_of_domains_to_leave();
        if (stays(name.purpose) && agents_.hand_over(name, channel)) return;
        foreign_.close_all();
        auto answer = assign(config_, domains_, name.purpose, name.user);
        auto* const assignment = std::get_if<Assignment>(&answer);
        // Few accounts have the mail of all virtual domains.
        if (assignment != nullptr && assignment->domain) assignment->groups = groups_.of(assignment->account);
        if (assignment == nullptr) {
            refuse(std::move(channel), user, std::get<DeliveryResult>(answer));
        } else if (name.purpose == Purpose::maildrop) {
            start_maildrop_agent(name, *assignment, channel);
        } else if (!agents_.may_start(name.purpose, assignment->account.uid)) {
            keep_waiting(name, assignment->account.uid, std::move(channel));
        } else if (stays(name.purpose)) {
            start_agent(name, *assignment, channel);
        } else {
            start_instruction_agent(name.purpose, *assignment, channel);
        }
    } catch (const std::exception& e) {
        log_event("", "agent-not-started", {{"user", user}, {"reason", in_plain_words(e)}});
        refuse(std::move(channel), user, deferred("4.3.0", "Local delivery is not possible now"));
    }
}

void Spawner::start_agent(const AgentName& name, const Assignment& assignment, const Fd& channel) {
    SocketPair control = packet_socket_pair();
    const int descriptor = channel.get();
    send_struct(control.ours.get(), ChannelHandover{}, std::span(&descriptor, 1));
    const pid_t pid = spawn_process("deliver " + name.user, [&] {
        // The copies of the parent's descriptors that this child has no use for. `channel` is one: a copy
        // that stayed open would hide the agent's end from the client.
        control.ours.reset();
        forget_everything();
        auto duty = prepare_agent(config_, domains_, name.purpose, assignment);
        if (const auto* refusal = std::get_if<DeliveryResult>(&duty)) {
            refuse_all(control.theirs, name.user, *refusal);
            return 0;
        }
        ::close(descriptor);
        mailbox_calls_.enforce();
        return run_local_agent(config_, std::move(std::get<AgentDuty>(duty)), std::move(control.theirs),
                               limits_.idle);
    });
    agents_.add(name, pid, std::move(control.ours), assignment.account.uid);
}

/// The agent carries out one instruction and ends; no other request can use it.
void Spawner::start_instruction_agent(Purpose purpose, const Assignment& assignment, Fd& channel) {
    const Account& account = assignment.account;
    const pid_t pid = spawn_process("deliver " + account.name, [&] {
        forget_everything();
        const auto groups = groups_of(account);
        const MailboxGroup group =
            assignment.domain ? MailboxGroup() : mailbox_group_for(config_, account, groups);
        become_user(account, groups, group);
        return run_instruction_agent(config_, account, group, {purpose == Purpose::alias, assignment.domain},
                                     std::move(channel));
    });
    agents_.add_program(pid, account.name, account.uid);
}

/// The agent serves one POP3 session, and has nothing to do with deliveries: it takes no place of theirs.
void Spawner::start_maildrop_agent(const AgentName& name, const Assignment& assignment, Fd& channel) {
    if (!agents_.may_open_maildrop(name.user))
        return refuse(std::move(channel), name.user, deferred("4.3.2", "Too many sessions of this user"));
    ParentClosesFirst order;
    const pid_t pid = spawn_process("POP3 " + name.user, [&] {
        order.wait();
        forget_everything();
        auto duty = prepare_maildrop(config_, domains_, assignment);
        if (const auto* refusal = std::get_if<DeliveryResult>(&duty)) {
            send_refusal(channel.get(), name.user, *refusal);
            return 0;
        }
        mailbox_calls_.enforce();
        return run_maildrop_agent(std::get<MaildropDuty>(duty), std::move(channel));
    });
    agents_.add_maildrop(pid, name.user);
    channel.reset();
}

/// In the child: closes its copies of what is for other agents and for the spawner itself.
void Spawner::forget_everything() {
    requests_.reset();
    signals_.reset();
    agents_.forget();
    waiting_.clear();
}

/// For an agent to end, a few seconds long. One account has a quarter of the places to wait.
void Spawner::keep_waiting(const AgentName& name, uid_t uid, Fd channel) {
    const auto own =
        std::count_if(waiting_.begin(), waiting_.end(), [uid](const Waiting& one) { return one.uid == uid; });
    const std::size_t most = agents_.is_shared_by_many(uid) ? limits_.waiting : (limits_.waiting + 3) / 4;
    if (waiting_.size() >= limits_.waiting || static_cast<std::size_t>(own) >= most)
        return refuse(std::move(channel), name.user,
                      deferred("4.3.2", "Too many local deliveries at a time"));
    waiting_.push_back({name, std::move(channel), Deadline::after(limits_.room), uid});
    make_room(uid);
}

/// As many agents are asked to leave as requests wait; one that is busy leaves after what it has. An account
/// that has its share already gives up one of its own.
void Spawner::make_room(uid_t uid) {
    const bool is_over_share = !agents_.has_share(uid);
    // What waits for a program to end needs no place of another agent.
    const auto waiting = std::count_if(waiting_.begin(), waiting_.end(), [&](const Waiting& one) {
        return (!is_over_share || one.uid == uid) &&
               (stays(one.name.purpose) || agents_.has_room_for_program(one.uid));
    });
    agents_.make_room(waiting, is_over_share ? std::optional(uid) : std::nullopt);
}

void Spawner::serve_waiting() {
    for (std::size_t n = waiting_.size(); n > 0 && agents_.has_room(); --n) {
        Waiting next = std::move(waiting_.front());
        waiting_.pop_front();
        if (!agents_.may_start(next.name.purpose, next.uid))
            waiting_.push_back(std::move(next));
        else
            serve(next.name, std::move(next.channel));
    }
}

void Spawner::drain() {
    draining_ = true;
    agents_.ask_all_to_leave();
    for (Waiting& one : waiting_)
        refuse(std::move(one.channel), one.name.user, deferred("4.3.2", "System is shutting down"));
    waiting_.clear();
}

void Spawner::reap() {
    for (ProcessEnd end = reap_child(); end.pid != 0; end = reap_child())
        log_if_crashed("deliver " + agents_.remove(end.pid), end);
    serve_waiting();
}

void Spawner::refuse_overdue() {
    for (Waiting& one : waiting_)
        if (one.patience.passed())
            refuse(std::move(one.channel), one.name.user,
                   deferred("4.3.2", "Too many local deliveries at a time"));
    std::erase_if(waiting_, [](const Waiting& one) { return !one.channel; });
}

}  // namespace

int run_spawner(const Config& config, Fd requests, const TicketKey& tickets, const SpawnerLimits& limits) {
    ignore_sigpipe();
    load_name_services();
    return Spawner(config, std::move(requests), tickets, limits).run();
}

}  // namespace postoffice
