// What becomes of a queued message when the jobs of an attempt are done: results are recorded and reported,
// and the message is finished or due again later.
#pragma once

#include <optional>
#include <string>

#include "postoffice/config/config.h"
#include "postoffice/delivery/bounce.h"
#include "postoffice/delivery/destination_queue.h"
#include "postoffice/delivery/dispatcher_events.h"

namespace postoffice {

class Settlement {
  public:
    /// Keeps the references.
    Settlement(const Config& config, Bouncer& bouncer, const DispatcherEvents& events)
        : config_(config), bouncer_(bouncer), events_(events) {}

    /// The recipients of the job that wait have this result. Recipients that an agent has settled keep
    /// theirs. Does not throw: without a record they are tried again.
    void record(const DeliveryJob& job, const DeliveryResult& result) const;
    /// Another message has just found this destination down: that is no attempt for the recipients of the
    /// job, unless they are only waiting to be given up. Does not throw.
    void postpone(const DeliveryJob& job, const DestinationQueue& destination) const;
    /// All jobs are done. `is_stopping`: the server is, so that nothing counts as an attempt. Returns when
    /// the message is due again; nullopt if it is finished. Does not throw: if the disk takes no record or
    /// report, the message is due soon.
    std::optional<UnixTime> settle(ActiveMessage& message, bool is_stopping) const;

  private:
    template <class Record>
    void record_waiting(const DeliveryJob& job, const DeliveryResult& result, const Record& record) const;
    void report_outcome(const QueueEntry& entry, std::size_t index, const DeliveryResult& result) const;
    void give_up_expired(QueueEntry& entry) const;
    UnixTime next_time(ActiveMessage& message, bool is_stopping, UnixTime now) const;

    const Config& config_;
    Bouncer& bouncer_;
    const DispatcherEvents& events_;
};

}  // namespace postoffice
