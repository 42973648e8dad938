// Recipients of a queued message that could not be routed when it was submitted: a delivery file could not be
// read, or a directory of users did not answer. With every attempt they are routed again.
#pragma once

#include <cstddef>

#include "postoffice/delivery/inbound_services.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/queue/spool.h"

namespace postoffice {

class DeferredRouting {
  public:
    /// `spawner`, `notifications`: as for InboundServices.
    DeferredRouting(const Config& config, SpawnerHandle spawner, QueueNotificationWriter notifications)
        : spool_(config.queue.dir),
          services_(config, spool_, InboundServices::unattended(spawner, notifications)) {}

    /// Delivered: the recipient goes on in a message of its own, from which the sender gets the notice that
    /// it asked for. Failed: there is no such recipient. `message`: an open file with the text. Does not
    /// throw.
    DeliveryResult deliver(const QueueEntry& entry, std::size_t recipient, int message);

    void close_idle() { services_.close_idle(); }

  private:
    const Spool spool_;
    InboundServices services_;
};

}  // namespace postoffice
