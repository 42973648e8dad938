// The local agents of the spawner: which are there, with whose rights, and whether another one may start. An
// account gets a share of the places, so that it cannot stop the mail of others by agents that do not end.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"
#include "postoffice/daemon/spawner.h"
#include "postoffice/local/agent_protocol.h"

namespace postoffice {

/// Agents that stay for further channels, and are known by name; the others carry out one instruction.
bool stays(SpawnRequest::Purpose purpose);
/// Or may be: a maildrop may be one of a virtual user.
bool is_of_domain(SpawnRequest::Purpose purpose);

class AgentTable {
  public:
    /// Keeps the references.
    AgentTable(const Config& config, const SpawnerLimits& limits) : config_(config), limits_(limits) {}

    bool is_empty() const { return agents_.empty() && leaving_.empty() && maildrops_.empty(); }
    /// Some agent is to end within a time, so kill_overdue() must be called now and then.
    bool has_deadlines() const { return !leaving_.empty(); }

    void add(const AgentName& name, pid_t pid, Fd control, uid_t uid);
    /// An agent that carries out an instruction and ends.
    void add_program(pid_t pid, const std::string& account, uid_t uid);
    /// An agent that has a mailbox open for a POP3 session.
    void add_maildrop(pid_t pid, const std::string& mailbox) { maildrops_.emplace(pid, mailbox); }
    /// Another one may be opened: as many as there may be clients, of one mailbox a few.
    bool may_open_maildrop(const std::string& mailbox) const;
    /// True if an agent of this name has the channel now. One that is too old, about to end by itself, or too
    /// busy to look is asked to leave: another one takes its place.
    bool hand_over(const AgentName& name, const Fd& channel);
    /// A child of this process has ended. Returns the user of that agent, or "".
    std::string remove(pid_t pid);
    /// In a child: closes the control sockets of the agents.
    void forget() { agents_.clear(); }

    void ask_all_to_leave();
    void ask_those_of_domains_to_leave();
    /// Asks agents to leave until as many are leaving as places are wanted: first the one that got no channel
    /// for longest, which is most likely idle. `account`: only agents with the rights of this account.
    void make_room(std::ptrdiff_t wanted, std::optional<uid_t> account);
    /// Ends agents that were asked to leave and have not.
    void kill_overdue() const;

    bool has_room() const;
    bool may_start(SpawnRequest::Purpose purpose, uid_t uid) const;
    bool has_room_for_program(uid_t uid) const;
    bool has_share(uid_t uid) const;
    bool is_shared_by_many(uid_t uid) const;

  private:
    struct Agent {
        pid_t pid = 0;
        Fd control;
        Deadline too_old;
        std::uint64_t last_use = 0;
        uid_t uid = 0;
    };
    struct Leaving {
        std::string user;
        Deadline patience;
        uid_t uid = 0;
        bool is_program = false;  ///< it carries out an instruction
    };
    using Agents = std::map<AgentName, Agent>;

    void ask_to_leave(Agents::iterator agent);

    const Config& config_;
    const SpawnerLimits& limits_;
    Agents agents_;  ///< those that take channels
    std::map<pid_t, Leaving> leaving_;
    std::map<pid_t, std::string> maildrops_;  ///< their mailboxes
    std::uint64_t uses_ = 0;
};

}  // namespace postoffice
