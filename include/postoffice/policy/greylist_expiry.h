// The greylist forgets by itself what was not used for long, so that strangers cannot make it grow without
// end. authexpire(8) does the same when it is asked to, and more.
#pragma once

#include <functional>

#include "postoffice/config/config.h"
#include "postoffice/policy/greylist.h"

namespace postoffice {

/// What has passed goes when it was not seen for `greylist-keep`, and what never came back after it was asked
/// to, five days after the longest wait there is. What is blacklisted stays.
bool is_expired(const GreylistConfig& config, const GreylistEntry& entry, UnixTime now);

/// There is a greylist, and the last expiry was half a day ago, whatever process did it. Does not throw.
bool is_greylist_expiry_due(const GreylistConfig& config, UnixTime now) noexcept;

/// Goes through all entries, which takes long: for a process of its own. Sessions are kept waiting for a
/// batch of entries at most. `goes_on`, if given, is asked now and then, and may end it. Logs what came of
/// it, or why it cannot be done.
void expire_greylist(const GreylistConfig& config, UnixTime now,
                     const std::function<bool()>& goes_on = {}) noexcept;

}  // namespace postoffice
