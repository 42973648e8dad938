// Channels of an unprivileged process (session, pickup worker, queue agent) to the local agents of users:
// asks the spawner for a channel once, and keeps it a while. An agent that did not answer in time is avoided,
// so that its owner does not hold up the mail of others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/local/agent_protocol.h"
#include "postoffice/local/agent_socket.h"
#include "postoffice/local/spawner_handle.h"

namespace postoffice {

/// The agent of a virtual mailbox.
AgentName virtual_mailbox_agent(const std::string& user, const std::string& domain);

class AgentChannels {
  public:
    /// `patience`: for one question, and for one
    /// round of deliveries. `command_timeout`: how long one instruction may take. `avoidance`: so long an
    /// agent that did not answer in time is not asked again.
    AgentChannels(SpawnerHandle spawner, Milliseconds patience, Seconds command_timeout = Seconds{600},
                  Milliseconds avoidance = Milliseconds{0});

    /// The socket of the channel to this agent, a kept one or a new one, for which another may be closed:
    /// that which was not used for longest. Throws Timeout, PeerGone, FormatError, std::system_error.
    int socket_to(const AgentName& agent, const Deadline& deadline);
    /// Also when an answer did not come in time: a late one must never be taken for that to a later request.
    void close(const AgentName& agent) { channels_.erase(agent); }
    /// A channel that is not kept, to an agent that carries out one instruction. Throws as socket_to().
    AgentSocket open(const AgentName& agent, const Deadline& deadline) const {
        return AgentSocket(spawner_.open_channel(agent, deadline));
    }

    bool is_avoided(const AgentName& agent);
    /// The agent did not answer in time, or not as an agent does.
    void avoid(const AgentName& agent);
    /// Halved with each agent that is avoided now: the owner of many must not hold this process for long.
    Milliseconds patience() const;
    /// For one instruction, and for the start and the answer of its agent.
    Deadline instruction_deadline() const;

    /// Channels kept, at most.
    static constexpr std::size_t most_channels = 8;
    /// Channels tried for one request: a new one, too, may lead to an agent that is just about to leave.
    static constexpr unsigned most_tries = 3;

  private:
    struct Channel {
        AgentSocket socket;
        std::uint64_t last_use = 0;
    };

    SpawnerHandle spawner_;
    Milliseconds patience_;
    Seconds command_timeout_;
    Milliseconds avoidance_;
    std::map<AgentName, Deadline> avoided_;  ///< until then
    std::map<AgentName, Channel> channels_;
    std::uint64_t uses_ = 0;
};

}  // namespace postoffice
