// When a message that could not be delivered is tried again, and when we give up (RFC 5321 section 4.5.4.1).
#pragma once

#include <cstdint>
#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/queue/journal.h"

namespace postoffice {

/// When to try again after `attempts` attempts, the last of them at `now`: Config::queue.retry has the waits,
/// the last one repeats. Up to a tenth is added by `chance` (any number), so that messages which failed
/// together do not all come back together. Never later than the moment of expiry, when that attempt is the
/// last, or of DELIVERBY.
UnixTime next_attempt(const Config& config, const Journal& journal, UnixTime now, unsigned attempts,
                      std::uint32_t chance);
/// The same, by chance.
UnixTime next_attempt(const Config& config, const Journal& journal, UnixTime now, unsigned attempts);

/// Seconds; no next_attempt() is further away.
UnixTime longest_wait(const Config& config);

/// When the message expires, as seen `now`: `qreturn` after its arrival or its release, and later by the time
/// in which nothing could be tried (Journal::uncounted_until()).
UnixTime expiry_of(const Config& config, const Journal& journal, UnixTime now);
/// True from then on: what fails for now then fails for good.
bool has_expired(const Config& config, const Journal& journal, UnixTime now);
/// What is told of a message that was to be returned at a time that is over (DELIVERBY).
DeliveryResult not_in_time(const DeliverBy& deliver_by, const DeliveryResult& last);
/// What is told then. `last`: what the last attempt came to; the host that said so stays known.
DeliveryResult given_up(const Config& config, const DeliveryResult& last);

}  // namespace postoffice
