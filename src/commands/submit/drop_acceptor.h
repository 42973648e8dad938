// Takes responsibility for a message by leaving it in drop/, as sendmail does: for sessions on standard
// input, which have no right to the queue.
#pragma once

#include "postoffice/config/config.h"
#include "postoffice/queue/acceptor.h"

namespace postoffice {

class DropAcceptor : public Acceptor {
  public:
    /// Keeps a reference. `triggers`: tells a running server of each message. `from_program`: the client is a
    /// program of this host, whose messages are completed as those that sendmail reads.
    DropAcceptor(const Config& config, bool triggers, bool from_program)
        : config_(config), triggers_(triggers), from_program_(from_program) {}
    Reply accept(const std::string& id, const Envelope& envelope, Message& message) override;

  private:
    void complete(const Envelope& envelope, Message& message, Message& completed) const;

    const Config& config_;
    bool triggers_;
    bool from_program_;
};

}  // namespace postoffice
