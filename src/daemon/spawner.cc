#include "postoffice/daemon/spawner.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <deque>
#include <map>
#include <optional>
#include <variant>

#include "postoffice/base/error.h"
#include "postoffice/base/foreign_descriptors.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/system_calls.h"
#include "postoffice/base/text.h"
#include "postoffice/daemon/assignment.h"
#include "postoffice/daemon/become_user.h"
#include "postoffice/local/agent_protocol.h"
#include "postoffice/local/instruction_agent.h"
#include "postoffice/local/local_agent.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/routing/domain_files.h"
#include "postoffice/routing/users.h"
#include "prepare_agent.h"

namespace postoffice {
namespace {

/// Requests read before children and deadlines are looked at again.
constexpr int most_at_a_time = 64;

/// Agents of one name that were told to leave and have not, before they are ended.
constexpr std::ptrdiff_t most_leaving_of_one = 2;

using Purpose = SpawnRequest::Purpose;

/// A quarter of the places is kept for mailboxes.
std::ptrdiff_t most_programs(unsigned agents) {
    return std::max(1U, agents - agents / 4);
}

/// Agents that stay, and are known by name.
bool stays(Purpose purpose) {
    return purpose == Purpose::mailbox || purpose == Purpose::virtual_mailbox || purpose == Purpose::domain;
}

bool is_of_domain(Purpose purpose) {
    return purpose >= Purpose::virtual_mailbox && purpose <= Purpose::domain_alias;
}

struct AgentName {
    Purpose purpose = Purpose::mailbox;
    std::string user;  ///< as in the request
    auto operator<=>(const AgentName&) const = default;
};

/// The spawner's own word on a channel for which there is no agent.
void send_refusal(int channel, const std::string& user, const DeliveryResult& result) {
    log_event("", "spawn", {{"user", user}, {"result", result.reply.line()}});
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

class Spawner {
  public:
    Spawner(const Config& config, Fd requests, const SpawnerLimits& limits)
        : config_(config), limits_(limits), requests_(std::move(requests)), domains_(config.vhost_dir) {}

    int run();

  private:
    struct Agent {
        pid_t pid = 0;
        Fd control;
        Deadline too_old;
        std::uint64_t last_use = 0;
        uid_t uid = 0;
    };
    struct Waiting {
        AgentName name;
        Fd channel;
        Deadline patience;
        uid_t uid = 0;
    };
    struct Leaving {
        std::string user;
        Deadline patience;
        uid_t uid = 0;
        bool is_program = false;  ///< it carries out an instruction
    };
    using Agents = std::map<AgentName, Agent>;

    void wait();
    void handle_signals();
    void read_requests();
    void malformed(const char* what);
    void refuse(Fd channel, const std::string& user, const DeliveryResult& result);
    void serve(const AgentName& name, Fd channel);
    void look_at_domains();
    bool hand_over(const AgentName& name, const Fd& channel);
    void start_agent(const AgentName& name, const Assignment& assignment, const Fd& channel);
    void start_instruction_agent(Purpose purpose, const Assignment& assignment, Fd& channel);
    void forget_everything();
    void ask_to_leave(Agents::iterator agent);
    void keep_waiting(const AgentName& name, uid_t uid, Fd channel);
    void make_room(uid_t uid);
    void serve_waiting();
    void drain();
    void reap();
    void look_at_deadlines();
    bool has_room() const { return agents_.size() + leaving_.size() < std::max(config_.agents, 1U); }
    bool has_room_for_program(uid_t uid) const;
    bool has_share(uid_t uid) const;
    bool may_start(Purpose purpose, uid_t uid) const;
    bool is_shared_by_many(uid_t uid) const { return ::geteuid() != 0 || uid == vhost_uid(config_); }

    const Config& config_;
    const SpawnerLimits limits_;
    Fd requests_;
    std::optional<SignalSource> signals_{std::in_place, std::initializer_list<int>{SIGTERM, SIGINT, SIGCHLD}};
    const CallFilter mailbox_calls_{NeededCalls{.identity = true}};
    DomainTable domains_;
    Agents agents_;  // those that take channels
    std::map<pid_t, Leaving> leaving_;
    std::deque<Waiting> waiting_;  // for an agent to end, so that another may start
    ForeignDescriptors foreign_;   // what is to be closed, once this process need not wait for that
    Deadline next_complaint_ = Deadline::after(Milliseconds(0));
    std::uint64_t uses_ = 0;
    bool draining_ = false;
};

int Spawner::run() {
    while (!draining_ || !agents_.empty() || !leaving_.empty()) {
        wait();
        handle_signals();
        if (requests_) read_requests();
        look_at_deadlines();
        foreign_.close_all();
    }
    return 0;
}

void Spawner::wait() {
    pollfd polled[] = {{signals_->fd(), POLLIN, 0}, {requests_.get(), POLLIN, 0}};
    const bool has_deadlines = !waiting_.empty() || !leaving_.empty();
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
    for (int i = 0; i < most_at_a_time; ++i) {
        SpawnRequest request;
        auto arrival = receive_packet_now(requests_.get(), std::as_writable_bytes(std::span(&request, 1)));
        if (arrival.kind == PacketArrival::Kind::nothing) return;
        auto& descriptors = arrival.packet.descriptors;
        const bool is_request =
            arrival.kind == PacketArrival::Kind::packet && arrival.packet.size == sizeof request &&
            request.magic == SpawnRequest::expected_magic && request.purpose <= Purpose::domain_alias;
        if (is_request && descriptors.size() == 1 && is_packet_socket(descriptors.front().get())) {
            serve({request.purpose, request.user.str()}, std::move(descriptors.front()));
            continue;
        }
        malformed(is_request ? "no channel with the request" : "not a request");
        foreign_.add(std::move(descriptors));
    }
}

/// Said at most once a second: whoever sends this may send a lot of it.
void Spawner::malformed(const char* what) {
    if (!next_complaint_.passed()) return;
    next_complaint_ = Deadline::after(Seconds(1));
    log_event("", "protocol", {{"process", "spawner"}, {"error", what}});
}

/// Its word goes on the channel; the channel is closed later.
void Spawner::refuse(Fd channel, const std::string& user, const DeliveryResult& result) {
    send_refusal(channel.get(), user, result);
    foreign_.add(std::move(channel));
}

void Spawner::serve(const AgentName& name, Fd channel) {
    const std::string& user = name.purpose == Purpose::alias ? config_.alias_user : name.user;
    try {
        if (draining_) return refuse(std::move(channel), user, deferred("4.3.2", "System is shutting down"));
        if (is_of_domain(name.purpose)) look_at_domains();
        if (stays(name.purpose) && hand_over(name, channel)) return;
        foreign_.close_all();
        const auto answer = assign(config_, domains_, name.purpose, name.user);
        const auto* assignment = std::get_if<Assignment>(&answer);
        if (assignment == nullptr) {
            refuse(std::move(channel), user, std::get<DeliveryResult>(answer));
        } else if (!may_start(name.purpose, assignment->account.uid)) {
            keep_waiting(name, assignment->account.uid, std::move(channel));
        } else if (stays(name.purpose)) {
            start_agent(name, *assignment, channel);
        } else {
            start_instruction_agent(name.purpose, *assignment, channel);
        }
    } catch (const std::exception& e) {
        log_event("", "spawn", {{"user", user}, {"error", in_plain_words(e)}});
        refuse(std::move(channel), user, deferred("4.3.0", "Local delivery is not possible now"));
    }
}

/// When domains.cf was changed, its agents leave: a domain may have another owner now, or none.
void Spawner::look_at_domains() {
    if (!domains_.refresh()) return;
    for (auto agent = agents_.begin(); agent != agents_.end();) {
        const auto next = std::next(agent);
        if (is_of_domain(agent->first.purpose)) ask_to_leave(agent);
        agent = next;
    }
}

/// True if a warm agent has the channel now.
bool Spawner::hand_over(const AgentName& name, const Fd& channel) {
    const auto agent = agents_.find(name);
    if (agent == agents_.end()) return false;
    if (!agent->second.too_old.passed()) {
        const ChannelHandover handover;
        const int descriptor = channel.get();
        const auto bytes = std::as_bytes(std::span(&handover, 1));
        agent->second.last_use = ++uses_;
        if (send_packet_now(agent->second.control.get(), bytes, std::span(&descriptor, 1)) == Sent::yes)
            return true;
    }
    // Too old, or about to leave by itself, or too busy to look: another one takes its place.
    ask_to_leave(agent);
    return false;
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
            send_refusal(descriptor, name.user, *refusal);
            return 0;
        }
        ::close(descriptor);
        mailbox_calls_.enforce();
        return run_local_agent(config_, std::move(std::get<AgentDuty>(duty)), std::move(control.theirs),
                               limits_.idle);
    });
    agents_.emplace(name, Agent{pid, std::move(control.ours), Deadline::after(limits_.age), ++uses_,
                                assignment.account.uid});
}

/// It carries out one thing and ends; nobody else can use it.
void Spawner::start_instruction_agent(Purpose purpose, const Assignment& assignment, Fd& channel) {
    const Account& account = assignment.account;
    const pid_t pid = spawn_process("deliver " + account.name, [&] {
        forget_everything();
        const MailboxGroup group = assignment.domain ? MailboxGroup() : mailbox_group_for(config_, account);
        become_user(account, group);
        return run_instruction_agent(config_, account, group, {purpose == Purpose::alias, assignment.domain},
                                     std::move(channel));
    });
    const auto patience = config_.command_timeout + limits_.room + Seconds(30);
    leaving_.emplace(
        pid, Leaving{account.name, Deadline::after(std::chrono::duration_cast<Milliseconds>(patience)),
                     account.uid, true});
}

/// A program may take ten minutes. Those of one account get a share of the places, and all of them together
/// leave some to mailboxes.
bool Spawner::has_room_for_program(uid_t uid) const {
    const auto of_account = std::count_if(leaving_.begin(), leaving_.end(), [uid](const auto& one) {
        return one.second.is_program && one.second.uid == uid;
    });
    const auto of_all = std::count_if(leaving_.begin(), leaving_.end(),
                                      [](const auto& one) { return one.second.is_program; });
    return of_account < config_.owner_programs && of_all < most_programs(config_.agents);
}

bool Spawner::may_start(Purpose purpose, uid_t uid) const {
    return has_room() && (stays(purpose) ? has_share(uid) : has_room_for_program(uid));
}

/// The owner of many virtual domains, or of one whose folder of mailboxes is the owner's, can stop the agents
/// of all of them: they have half of the places at most.
bool Spawner::has_share(uid_t uid) const {
    if (is_shared_by_many(uid)) return true;
    const auto staying = std::count_if(agents_.begin(), agents_.end(),
                                       [uid](const auto& one) { return one.second.uid == uid; });
    const auto leaving = std::count_if(leaving_.begin(), leaving_.end(), [uid](const auto& one) {
        return !one.second.is_program && one.second.uid == uid;
    });
    return staying + leaving < std::max<std::ptrdiff_t>(config_.agents / 2, 1);
}

/// In the child, which knows nothing of its parent's other business from here on.
void Spawner::forget_everything() {
    requests_.reset();
    signals_.reset();
    agents_.clear();
    waiting_.clear();
}

/// Closing its control socket is the request. It still counts until it has ended. An agent that its user has
/// stopped does not leave: of several with one name the others are ended.
void Spawner::ask_to_leave(Agents::iterator agent) {
    const std::string& user = agent->first.user;
    const auto is_of_user = [&](const auto& one) {
        return !one.second.is_program && one.second.user == user;
    };
    if (std::count_if(leaving_.begin(), leaving_.end(), is_of_user) >= most_leaving_of_one)
        for (const auto& one : leaving_)
            if (is_of_user(one)) (void)::kill(one.first, SIGKILL);
    leaving_.emplace(agent->second.pid,
                     Leaving{agent->first.user, Deadline::after(limits_.leaving), agent->second.uid});
    agents_.erase(agent);
}

/// For an agent to end, a few seconds long. One account has a quarter of the places to wait.
void Spawner::keep_waiting(const AgentName& name, uid_t uid, Fd channel) {
    const auto own =
        std::count_if(waiting_.begin(), waiting_.end(), [uid](const Waiting& one) { return one.uid == uid; });
    const std::size_t most = is_shared_by_many(uid) ? limits_.waiting : (limits_.waiting + 3) / 4;
    if (waiting_.size() >= limits_.waiting || static_cast<std::size_t>(own) >= most)
        return refuse(std::move(channel), name.user,
                      deferred("4.3.2", "Too many local deliveries at a time"));
    waiting_.push_back({name, std::move(channel), Deadline::after(limits_.room), uid});
    make_room(uid);
}

/// As many agents are asked to leave as requests wait. First the one that got no channel for longest, which
/// is most likely idle; one that is busy leaves after what it has. An account that has its share already
/// gives up one of its own.
void Spawner::make_room(uid_t uid) {
    const bool is_over_share = !has_share(uid);
    const auto leaving = std::count_if(leaving_.begin(), leaving_.end(), [&](const auto& one) {
        return !one.second.is_program && (!is_over_share || one.second.uid == uid);
    });
    // What waits for a program to end needs no place of another agent.
    const auto waiting = std::count_if(waiting_.begin(), waiting_.end(), [&](const Waiting& one) {
        return (!is_over_share || one.uid == uid) &&
               (stays(one.name.purpose) || has_room_for_program(one.uid));
    });
    for (auto missing = waiting - leaving; missing > 0; --missing) {
        auto oldest = agents_.end();
        for (auto agent = agents_.begin(); agent != agents_.end(); ++agent)
            if ((!is_over_share || agent->second.uid == uid) &&
                (oldest == agents_.end() || agent->second.last_use < oldest->second.last_use))
                oldest = agent;
        if (oldest == agents_.end()) return;
        ask_to_leave(oldest);
    }
}

void Spawner::serve_waiting() {
    for (std::size_t n = waiting_.size(); n > 0 && has_room(); --n) {
        Waiting next = std::move(waiting_.front());
        waiting_.pop_front();
        if (!may_start(next.name.purpose, next.uid))
            waiting_.push_back(std::move(next));
        else
            serve(next.name, std::move(next.channel));
    }
}

void Spawner::drain() {
    draining_ = true;
    while (!agents_.empty()) ask_to_leave(agents_.begin());
    for (Waiting& one : waiting_)
        refuse(std::move(one.channel), one.name.user, deferred("4.3.2", "System is shutting down"));
    waiting_.clear();
}

void Spawner::reap() {
    for (ProcessEnd end = reap_child(); end.pid != 0; end = reap_child()) {
        std::string user;
        if (const auto left = leaving_.find(end.pid); left != leaving_.end()) {
            user = left->second.user;
            leaving_.erase(left);
        }
        const auto agent = std::find_if(agents_.begin(), agents_.end(),
                                        [&](const auto& entry) { return entry.second.pid == end.pid; });
        if (agent != agents_.end()) {
            user = agent->first.user;
            agents_.erase(agent);
        }
        log_if_crashed("deliver " + user, end);
    }
    serve_waiting();
}

void Spawner::look_at_deadlines() {
    for (Waiting& one : waiting_)
        if (one.patience.passed())
            refuse(std::move(one.channel), one.name.user,
                   deferred("4.3.2", "Too many local deliveries at a time"));
    std::erase_if(waiting_, [](const Waiting& one) { return !one.channel; });
    for (const auto& [pid, agent] : leaving_)
        if (agent.patience.passed()) (void)::kill(pid, SIGKILL);
}

}  // namespace

int run_spawner(const Config& config, Fd requests, const SpawnerLimits& limits) {
    ignore_sigpipe();
    return Spawner(config, std::move(requests), limits).run();
}

}  // namespace postoffice
