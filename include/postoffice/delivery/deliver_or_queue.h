// The one place where postoffice takes responsibility for a message. The short way: all recipients are
// mailboxes, and each has the message, synced, before the answer. The long way: the queue.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "postoffice/delivery/bounce.h"
#include "postoffice/delivery/local_delivery.h"
#include "postoffice/queue/acceptor.h"
#include "postoffice/queue/spool.h"

namespace postoffice {

class DeliverOrQueue final : public Acceptor {
  public:
    /// What becomes of a message that could be delivered to no recipient now.
    enum class OnTotalFailure {
        refused,  ///< its client keeps it; the reply says why
        queued,   ///< no client waits for a reply
    };
    /// Keeps the references. `bouncer`: sends the notices of success that are due at once. `on_queued`:
    /// called with each id that was committed, after its lock was released. `on_settled`: called with each
    /// recipient that needs no other attempt; may be empty.
    DeliverOrQueue(const Spool& spool, LocalDelivery& local, Bouncer& bouncer,
                   std::function<void(const std::string&)> on_queued,
                   OnTotalFailure on_total_failure = OnTotalFailure::refused,
                   std::function<void(const Recipient&, const DeliveryResult&)> on_settled = {});
    Reply accept(const std::string& id, const Envelope& envelope, Message& message) override;

  private:
    Reply deliver_now(const std::string& id, const Envelope& envelope, Message& message);
    /// `results`: parallel to the recipients, for those that were tried already; may be empty.
    Reply queue(const std::string& id, const Envelope& envelope, Message& message,
                const std::vector<DeliveryResult>& results);

    void send_notices(const std::string& id, const Envelope& envelope, Message& message,
                      const std::vector<DeliveryResult>& results);

    const Spool& spool_;
    LocalDelivery& local_;
    Bouncer& bouncer_;
    std::function<void(const std::string&)> on_queued_;
    const OnTotalFailure on_total_failure_;
    std::function<void(const Recipient&, const DeliveryResult&)> on_settled_;
};

}  // namespace postoffice
