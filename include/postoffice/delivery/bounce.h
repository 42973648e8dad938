// Reports of what became of a message (RFC 3464), from <> to the envelope sender, as the sender asked for
// (RFC 3461). A failure that cannot be reported to the sender goes to postmaster; what cannot be
// reported to postmaster ends in the log.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "postoffice/config/config.h"
#include "postoffice/queue/dsn.h"
#include "postoffice/queue/spool.h"
#include "postoffice/routing/router.h"

namespace postoffice {

/// A message of the queue that could not be read and was moved aside.
struct DamagedMessage {
    std::string id;
    std::string problem;
};

class Bouncer {
  public:
    /// Where an address of ours leads is looked up at once; or, in a process that may not wait for the files
    /// and agents of users, by the queue when it delivers the report.
    enum class Lookup { now, later };
    /// Keeps the references.
    Bouncer(const Config& config, const Spool& spool, Router& router, Lookup lookup = Lookup::now);
    /// Reports what is to be reported of `entry` and was not yet: failures, successes, delays. Records that
    /// (not synced). Returns the ids of the reports that were queued. Throws std::system_error when one
    /// cannot be stored: then it is not recorded, and must be tried again.
    std::vector<std::string> report(QueueEntry& entry, UnixTime now);

    /// The notice of success for a message that never was in the queue: `journal` says which recipients have
    /// it; its aliases and lists (Envelope::expanded) are in the report as well. `original`: the message,
    /// open for reading. Returns the id of the report, or "" if none is wanted. Throws as report().
    std::string report_success(const Journal& journal, int original);

    /// Tells postmaster of messages that were moved aside. Returns the id of the report. Throws
    /// std::system_error.
    std::string report_damage(const std::vector<DamagedMessage>& damaged);

  private:
    std::string report_failures(QueueEntry& entry);
    std::string report_successes(QueueEntry& entry);
    std::string report_delays(QueueEntry& entry, UnixTime now);
    std::string queue_report(const Journal& journal, const std::vector<DsnRequest::Entry>& entries,
                             const Address& to, int original);
    /// Writes a report into the message; its form.
    using Writer = std::function<MailParameters(Message& message, const std::string& id)>;
    Route route_to(const Address& to);
    std::string queue_to(const Address& to, const std::string& about, const Writer& write);
    std::string submit_to(const Address& to, const std::string& about, const Writer& write);

    const Config& config_;
    const Spool& spool_;
    Router& router_;
    const Lookup lookup_;
};

}  // namespace postoffice
