// Flushes by looking through the spool, and telling the runner the ids.
#pragma once

#include "postoffice/queue/queue_flush.h"
#include "postoffice/queue/spool.h"

namespace postoffice {

class SpoolFlusher final : public QueueFlusher {
  public:
    /// Keeps the reference. `announce`: the pipe on which the runner hears of ids.
    SpoolFlusher(const Spool& spool, int announce) : spool_(spool), announce_(announce) {}
    std::size_t flush(const std::string& domain, bool subdomains) override;

  private:
    const Spool& spool_;
    int announce_;
};

}  // namespace postoffice
