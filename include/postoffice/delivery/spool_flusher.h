// Flushes by looking through the spool, and telling the runner the ids.
#pragma once

#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/queue/queue_flush.h"
#include "postoffice/queue/spool.h"

namespace postoffice {

class SpoolFlusher final : public QueueFlusher {
  public:
    /// Keeps the reference. `notifications`: read by the runner.
    SpoolFlusher(const Spool& spool, QueueNotificationWriter notifications)
        : spool_(spool), notifications_(notifications) {}
    std::size_t flush(const std::string& domain, bool subdomains) override;

  private:
    const Spool& spool_;
    const QueueNotificationWriter notifications_;
};

}  // namespace postoffice
