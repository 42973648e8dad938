// Takes responsibility for a message by leaving it in drop/, as sendmail does: for sessions on standard
// input, which have no right to the queue.
#pragma once

#include "postoffice/config/config.h"
#include "postoffice/mail/acceptance.h"

namespace postoffice {

class DropAcceptor : public Acceptor {
  public:
    /// Keeps a reference. `nudges`: tells a running server of each message.
    DropAcceptor(const Config& config, bool nudges) : config_(config), nudges_(nudges) {}
    Reply accept(const std::string& id, const Envelope& envelope, Message& message) override;

  private:
    const Config& config_;
    bool nudges_;
};

}  // namespace postoffice
