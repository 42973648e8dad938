// A reload disconnects no client: the silent ones of a listener that is replaced go to its successor, with
// all that is known of them. A client that a session serves stays with it until it falls silent or leaves.
#pragma once

#include <optional>

#include "accepted_client.h"
#include "postoffice/base/fd.h"

namespace postoffice {

class Succession {
  public:
    /// `ends`: clients leave by `ours` and arrive at `theirs`; all listeners of one master share both.
    explicit Succession(SocketPair ends) : ends_(std::move(ends)) {}

    /// On which clients of earlier listeners arrive; -1 after stop_receiving().
    int fd() const { return ends_.theirs.get(); }
    /// The next client that has arrived; nullopt if there is none. Never waits.
    std::optional<AcceptedClient> receive();
    /// This listener has a successor itself.
    void stop_receiving() { ends_.theirs.reset(); }
    /// False while the socket is full, or if no listener will receive the client. The caller closes its copy.
    bool send(const AcceptedClient& client) const;

  private:
    SocketPair ends_;
};

}  // namespace postoffice
