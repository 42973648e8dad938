// Taking responsibility for a message. Whoever receives one (SMTP session, local submission, bounce) hands it
// to an Acceptor, and tells its client success only after the Acceptor has.
#pragma once

#include <string>
#include <vector>

#include "postoffice/mail/delivery_result.h"
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

/// One delivery into a mailbox of this host.
struct MailboxDelivery {
    std::string id;     ///< queue id, for log and Received
    std::string user;   ///< account, or user of `domain`
    Address sender;     ///< for Return-Path and the From line
    Address recipient;  ///< for Delivered-To
    MailFolder folder = MailFolder::inbox;
    std::string domain = "";  ///< a virtual one; empty: the account is one of this host
};

/// What a user's delivery file or an alias asks for: a program, a file, a file of instructions.
struct InstructionDelivery {
    std::string id;
    Target target;
    Address sender;
};

/// Local delivery as seen by unprivileged processes.
class LocalDelivery {
  public:
    virtual ~LocalDelivery() = default;
    /// One result for each delivery, in order; `message` is a descriptor open for reading. A result
    /// `delivered` means synced. Does not throw: trouble is `deferred`.
    virtual std::vector<DeliveryResult> deliver(const std::vector<MailboxDelivery>& deliveries,
                                                int message) = 0;
    /// Waits until it is done. Does not throw: trouble is `deferred`.
    virtual DeliveryResult carry_out(const InstructionDelivery& delivery, int message) = 0;
};

}  // namespace postoffice
