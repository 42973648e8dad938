#include "postoffice/daemon/spawner.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <deque>
#include <map>
#include <optional>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/daemon/become_user.h"
#include "postoffice/delivery/agent_protocol.h"
#include "postoffice/delivery/instruction_agent.h"
#include "postoffice/delivery/local_agent.h"
#include "postoffice/mail/delivery_result.h"

namespace postoffice {
namespace {

/// Requests read before children and deadlines are looked at again.
constexpr int most_at_a_time = 64;

bool is_packet_socket(int fd) {
    int domain = 0, type = 0;
    socklen_t size = sizeof domain;
    if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return false;
    size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && domain == AF_UNIX &&
           type == SOCK_SEQPACKET;
}

/// The spawner's own word on a channel for which there is no agent; the channel is closed after it.
void refuse(const Fd& channel, const std::string& user, const DeliveryResult& result) {
    log_event("", "spawn", {{"user", user}, {"result", result.reply.line()}});
    DeliveryAnswer answer;
    answer.outcome = static_cast<std::uint8_t>(result.outcome);
    answer.for_all = 1;
    answer.status.assign_cut(result.reply.status);
    answer.text.assign_cut(result.reply.text);
    try {
        (void)send_packet_now(channel.get(), std::as_bytes(std::span(&answer, 1)));
    } catch (const std::system_error&) {
        // A channel that cannot even be written to is its client's own doing.
    }
}

class Spawner {
  public:
    Spawner(const Config& config, Fd requests, const SpawnerLimits& limits)
        : config_(config), limits_(limits), requests_(std::move(requests)) {}

    int run();

  private:
    struct Agent {
        pid_t pid = 0;
        Fd control;
        Deadline too_old;
        std::uint64_t last_use = 0;
    };
    struct Waiting {
        SpawnRequest::Purpose purpose;
        std::string user;
        Fd channel;
        Deadline patience;
    };
    struct Leaving {
        std::string user;
        Deadline patience;
    };
    using Agents = std::map<std::string, Agent>;

    void wait();
    void handle_signals();
    void read_requests();
    void malformed(const char* what);
    void serve(SpawnRequest::Purpose purpose, const std::string& user, Fd channel);
    bool hand_over(const std::string& user, const Fd& channel);
    void start_mailbox_agent(const std::string& user, const Account& account, const Fd& channel);
    void start_instruction_agent(bool for_alias, const Account& account, Fd channel);
    MailboxGroup become(const Account& account);
    void ask_to_leave(Agents::iterator agent);
    void make_room();
    void drain();
    void reap();
    void look_at_deadlines();
    bool has_room() const { return agents_.size() + leaving_.size() < std::max(config_.agents, 1U); }

    const Config& config_;
    const SpawnerLimits limits_;
    Fd requests_;
    std::optional<SignalSource> signals_{std::in_place, std::initializer_list<int>{SIGTERM, SIGINT, SIGCHLD}};
    Agents agents_;  // by account name: those that take channels
    std::map<pid_t, Leaving> leaving_;
    std::deque<Waiting> waiting_;  // for an agent to end, so that another may start
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
        if (arrival.kind == Arrival::Kind::nothing) return;
        auto& descriptors = arrival.packet.descriptors;
        if (arrival.kind != Arrival::Kind::packet || arrival.packet.size != sizeof request ||
            request.magic != SpawnRequest::expected_magic)
            malformed("not a request");
        else if (descriptors.size() != 1 || !is_packet_socket(descriptors.front().get()))
            malformed("no channel with the request");
        else
            serve(request.purpose, request.user.str(), std::move(descriptors.front()));
    }
}

/// Said at most once a second: whoever sends this may send a lot of it.
void Spawner::malformed(const char* what) {
    if (!next_complaint_.passed()) return;
    next_complaint_ = Deadline::after(Seconds(1));
    log_event("", "protocol", {{"process", "spawner"}, {"error", what}});
}

void Spawner::serve(SpawnRequest::Purpose purpose, const std::string& name, Fd channel) {
    const bool for_alias = purpose == SpawnRequest::Purpose::alias;
    const std::string& user = for_alias ? config_.alias_user : name;
    try {
        if (draining_) {
            refuse(channel, user, deferred("4.3.2", "System is shutting down"));
            return;
        }
        if (purpose == SpawnRequest::Purpose::mailbox && hand_over(user, channel)) return;
        const auto account =
            for_alias && ::geteuid() != 0 ? find_account(config_.only_user) : find_account(user);
        if (!account) {
            refuse(channel, user, failed("5.1.1", "No such user"));
        } else if (!may_deliver_as(*account)) {
            refuse(channel, user,
                   deferred("4.3.5", "Mail is not delivered with the privileges of this account"));
        } else if (has_room() && purpose == SpawnRequest::Purpose::mailbox) {
            start_mailbox_agent(user, *account, channel);
        } else if (has_room()) {
            start_instruction_agent(for_alias, *account, std::move(channel));
        } else if (waiting_.size() < limits_.waiting) {
            waiting_.push_back({purpose, name, std::move(channel), Deadline::after(limits_.room)});
            make_room();
        } else {
            refuse(channel, user, deferred("4.3.2", "Too many local deliveries at a time"));
        }
    } catch (const std::exception& e) {
        log_event("", "spawn", {{"user", user}, {"error", e.what()}});
        refuse(channel, user, deferred("4.3.0", "Local delivery is not possible now"));
    }
}

/// True if a warm agent has the channel now.
bool Spawner::hand_over(const std::string& user, const Fd& channel) {
    const auto agent = agents_.find(user);
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

void Spawner::start_mailbox_agent(const std::string& user, const Account& account, const Fd& channel) {
    SocketPair control = packet_socket_pair();
    const int descriptor = channel.get();
    send_struct(control.ours.get(), ChannelHandover{}, std::span(&descriptor, 1));
    const pid_t pid = spawn_process("deliver " + account.name, [&] {
        // The copies of the parent's descriptors that this child has no use for. `channel` is one: a copy
        // that stayed open would hide the agent's end from the client.
        control.ours.reset();
        ::close(descriptor);
        const MailboxGroup group = become(account);
        return run_local_agent(config_, account, group, std::move(control.theirs), limits_.idle);
    });
    agents_.emplace(user, Agent{pid, std::move(control.ours), Deadline::after(limits_.age), ++uses_});
}

/// It carries out one thing and ends; nobody else can use it.
void Spawner::start_instruction_agent(bool for_alias, const Account& account, Fd channel) {
    const pid_t pid = spawn_process("deliver " + account.name, [&] {
        const MailboxGroup group = become(account);
        return run_instruction_agent(config_, account, group, for_alias, std::move(channel));
    });
    const auto patience = config_.command_timeout + limits_.room + Seconds(30);
    leaving_.emplace(
        pid, Leaving{account.name, Deadline::after(std::chrono::duration_cast<Milliseconds>(patience))});
}

/// In the child, which knows nothing of its parent's other business from here on.
MailboxGroup Spawner::become(const Account& account) {
    requests_.reset();
    signals_.reset();
    agents_.clear();
    waiting_.clear();
    const MailboxGroup group = mailbox_group_for(config_, account);
    become_user(account, group);
    return group;
}

/// Closing its control socket is the request. It still counts until it has ended.
void Spawner::ask_to_leave(Agents::iterator agent) {
    leaving_.emplace(agent->second.pid, Leaving{agent->first, Deadline::after(limits_.leaving)});
    agents_.erase(agent);
}

/// As many agents are asked to leave as requests wait. First the one that got no channel for longest, which
/// is most likely idle; one that is busy leaves after what it has.
void Spawner::make_room() {
    while (leaving_.size() < waiting_.size() && !agents_.empty())
        ask_to_leave(std::min_element(agents_.begin(), agents_.end(), [](const auto& a, const auto& b) {
            return a.second.last_use < b.second.last_use;
        }));
}

void Spawner::drain() {
    draining_ = true;
    while (!agents_.empty()) ask_to_leave(agents_.begin());
    for (const Waiting& one : waiting_)
        refuse(one.channel, one.user, deferred("4.3.2", "System is shutting down"));
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
            user = agent->first;
            agents_.erase(agent);
        }
        log_if_crashed("deliver " + user, end);
    }
    while (!waiting_.empty() && has_room()) {
        Waiting next = std::move(waiting_.front());
        waiting_.pop_front();
        serve(next.purpose, next.user, std::move(next.channel));
    }
}

void Spawner::look_at_deadlines() {
    while (!waiting_.empty() && waiting_.front().patience.passed()) {
        refuse(waiting_.front().channel, waiting_.front().user,
               deferred("4.3.2", "Too many local deliveries at a time"));
        waiting_.pop_front();
    }
    for (const auto& [pid, agent] : leaving_)
        if (agent.patience.passed()) (void)::kill(pid, SIGKILL);
}

}  // namespace

int run_spawner(const Config& config, Fd requests, const SpawnerLimits& limits) {
    ignore_sigpipe();
    return Spawner(config, std::move(requests), limits).run();
}

}  // namespace postoffice
