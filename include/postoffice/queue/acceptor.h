// Taking responsibility for a message. Each receiver of messages (SMTP session, pickup of local submissions,
// bounces) hands them to an Acceptor, and reports success to its client only after the Acceptor has.
#pragma once

#include <string>

#include "postoffice/mail/envelope.h"
#include "postoffice/mail/reply.h"
#include "postoffice/queue/message.h"

namespace postoffice {

class Acceptor {
  public:
    virtual ~Acceptor() = default;
    /// When the reply is positive, every recipient was delivered to stable storage or is queued on stable
    /// storage. When it is not, nothing was kept. Does not throw: an unforeseen failure is a 451 or 452.
    virtual Reply accept(const std::string& id, const Envelope& envelope, Message& message) = 0;
};

}  // namespace postoffice
