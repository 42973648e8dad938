// Recipients of a queued message of whom nobody could say, when it was submitted, where they lead: a delivery
// file that could not be read, a directory of users that did not answer. With every attempt they are looked
// up again.
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

    /// Delivered: the recipient goes on in a message of its own, which is told to whom that leads, and the
    /// one who waits for a notice will hear from that one. Failed: there is nobody of that name. `message`:
    /// an open file with the text. Does not throw.
    DeliveryResult deliver(const QueueEntry& entry, std::size_t recipient, int message);

    void close_idle() { services_.close_idle(); }

  private:
    const Spool spool_;
    InboundServices services_;
};

}  // namespace postoffice
