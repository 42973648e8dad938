// Our end of the channel to a local agent, which is a process of another user.
//
// A descriptor that comes from there may be a FIFO, a file of a file system that hangs, or a socket that
// lingers: reading it, and closing it, may take as long as that user likes. Agents of ours send memory files
// alone.
#pragma once

#include <optional>
#include <span>

#include "postoffice/base/clock.h"
#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/packet.h"

namespace postoffice {

class AgentSocket {
  public:
    AgentSocket() = default;
    explicit AgentSocket(Fd socket) : socket_(std::move(socket)) {}
    AgentSocket(AgentSocket&&) noexcept = default;
    AgentSocket& operator=(AgentSocket&& other) noexcept;
    /// Closes it, unless the agent has sent what was not received: then it is left open.
    ~AgentSocket();

    int get() const { return socket_.get(); }

  private:
    Fd socket_;
};

/// The agent sent what no agent of ours sends.
struct UntrustedAgent : FormatError {
    using FormatError::FormatError;
};

/// Waits for one packet; its descriptors are sealed memory files. nullopt at the end of the agent. Throws
/// Timeout; UntrustedAgent if the packet has other descriptors, which are left open, or does not fit.
std::optional<Packet> receive_from_agent(int socket, std::span<std::byte> into, const Deadline& deadline);
/// The same without waiting; nullopt also if there is nothing.
std::optional<Packet> receive_from_agent_now(int socket, std::span<std::byte> into);

/// How many descriptors of agents this process has left open. They are closed when it ends.
std::size_t left_open_of_agents();

}  // namespace postoffice
