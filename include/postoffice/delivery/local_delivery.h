// Local delivery as unprivileged processes see it: they say what is to be delivered where, and hear what
// became of it. The implementations ask local agents (agent_delivery.h) or an LMTP server
// (local_transport.h).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "postoffice/mail/delivery_result.h"
#include "postoffice/mail/envelope.h"

namespace postoffice {

/// One delivery into a mailbox of this host.
struct MailboxDelivery {
    std::string id;     ///< queue id, for log and Received
    std::string user;   ///< account, or user of `domain`
    Address sender;     ///< for Return-Path and the From line
    Address recipient;  ///< for Delivered-To
    MailFolder folder = MailFolder::inbox;
    std::string domain = "";  ///< a virtual one; empty: the account is one of this host
};

/// `destination` is a mailbox.
inline MailboxDelivery mailbox_delivery(std::string id, const Destination& destination, Address sender,
                                        MailFolder folder) {
    return {std::move(id), mailbox_user_of(destination),  std::move(sender), destination.address,
            folder,        virtual_domain_of(destination)};
}

/// What a user's delivery file or an alias asks for: a program, a file, a file of instructions.
struct InstructionDelivery {
    std::string id;
    Destination destination;
    Address sender;
};

class LocalDelivery {
  public:
    virtual ~LocalDelivery() = default;
    /// One result for each delivery, in order; `message` is a descriptor open for reading. A result
    /// `delivered` means synced. Does not throw: errors are `deferred`.
    virtual std::vector<DeliveryResult> deliver(const std::vector<MailboxDelivery>& deliveries,
                                                int message) = 0;
    /// Waits until it is done. Does not throw: errors are `deferred`.
    virtual DeliveryResult carry_out(const InstructionDelivery& delivery, int message) = 0;
};

}  // namespace postoffice
