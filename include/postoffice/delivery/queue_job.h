// The structs between the runner and its queue agents. The journal and the message travel as descriptors,
// with the lock on the journal.
#pragma once

#include <cstdint>

#include "postoffice/base/packet.h"
#include "postoffice/mail/delivery_result.h"

namespace postoffice {

/// Runner to agent: deliver this message to these of its recipients. Descriptors: journal, message, and the
/// FIFO of a submitter that waits for the outcome, if one does.
struct QueueJob {
    static constexpr std::size_t most_recipients = 100;  // RFC 5321 section 4.5.3.1.8
    std::uint32_t count = 0;
    std::uint32_t recipients[most_recipients] = {};  ///< indices in the journal
    std::uint8_t submitter_sees_all = 0;             ///< as StatusWriter has it
    std::uint8_t routes_again = 0;                   ///< deliver nothing: see where they lead by now
    std::uint8_t is_patient = 0;  ///< local agents may take minutes; else what takes long comes back
    /// Of a domain whose mail hosts get it, and the transport, as in NextHop: the agent turns to them,
    /// wherever it was before. Empty domain: to the one destination that the agent was started for.
    FixedString<256> domain;
    FixedString<256> transport;
};

/// Agent to runner: every outcome is in the journal (appended, not synced), unless the destination is down.
struct QueueJobDone {
    std::uint8_t destination_is_down = 0;
    /// Down, and nothing was recorded: all recipients of the job are deferred for the reason below, unless
    /// another agent of this destination can take them.
    std::uint8_t is_unrecorded = 0;
    std::uint16_t code = 0;  ///< the reply, if it is down
    FixedString<16> status;
    FixedString<2048> why;
    FixedString<320> by;  ///< the host that said so; empty if we did
    /// Of the recipients of the job: nothing was recorded, since the local agent did not answer soon.
    std::uint8_t is_slow[QueueJob::most_recipients] = {};

    DeliveryResult why_down() const {
        return {DeliveryResult::Outcome::deferred, {code, status.str(), why.str()}, by.str()};
    }
};

/// Runner to pickup worker: take in this drop. No descriptors.
struct PickupJob {
    FixedString<32> id;
    std::uint8_t is_awaited = 0;  ///< its submitter has left a FIFO beside it
};

/// Pickup worker to runner. Descriptor: the FIFO, if there may be more to tell.
struct PickupJobDone {
    FixedString<32> id;
    std::uint8_t try_again = 0;  ///< it is still in drop/
    std::uint8_t submitter_sees_all = 0;
};

}  // namespace postoffice
