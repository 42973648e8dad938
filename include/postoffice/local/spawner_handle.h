// The spawner, as an unprivileged process reaches it: by the handle of its request socket.
#pragma once

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/local/agent_protocol.h"

namespace postoffice {

class SpawnerHandle {
  public:
    /// Reaches no spawner.
    SpawnerHandle() = default;
    /// The descriptor stays the caller's.
    explicit SpawnerHandle(const Fd& handle) : handle_(handle.get()) {}

    /// Asks for a channel to this agent, which may be written to at once. Throws Timeout, PeerGone,
    /// FormatError (a name that is too long), std::system_error.
    [[nodiscard]] Fd open_channel(const AgentName& agent, const Deadline& deadline) const;
    /// The same to an agent for the mailbox of this ticket.
    [[nodiscard]] Fd open_maildrop(const MailboxTicket& ticket, const Deadline& deadline) const;
    /// -1 if there is none.
    int fd() const { return handle_; }

  private:
    Fd ask(const SpawnRequest& request, const Deadline& deadline) const;

    int handle_ = -1;
};

}  // namespace postoffice
