// Telling the sender what failed: one report for each message (RFC 3464), from <>, to the envelope sender.
// What cannot be reported to the sender goes to postmaster; what cannot be reported to postmaster ends in the
// log.
#pragma once

#include "postoffice/config/config.h"
#include "postoffice/mail/router.h"
#include "postoffice/mail/spool.h"

namespace postoffice {

class Bouncer {
  public:
    /// Keeps the references.
    Bouncer(const Config& config, const Spool& spool, Router& router);
    /// Reports every failed and not yet reported recipient of `entry`, and records that (not synced). Returns
    /// the id of the report that was queued, or "" if none was needed. Throws std::system_error when the
    /// report cannot be stored: then nothing is recorded, and it must be tried again.
    std::string report_failures(QueueEntry& entry);

  private:
    std::string queue_report(const QueueEntry& entry, const std::vector<std::size_t>& failures,
                             const Address& to);

    const Config& config_;
    const Spool& spool_;
    Router& router_;
};

}  // namespace postoffice
