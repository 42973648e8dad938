// The reaper: removes the files of finished messages, in a process of its own, since giving back space can
// take the file system a millisecond each, and no mail should wait for that.
#pragma once

#include <string>

#include "postoffice/base/fd.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/outbound/sts_cache.h"
#include "postoffice/queue/spool.h"

namespace postoffice {

/// Removes what earlier runs left, then each message whose id comes down the pipe, until its other end is
/// closed; and, at the start and once a day, policies that have expired. Returns the exit status.
int run_reaper(const Spool& spool, const StsCache& policies, Fd ids);

/// Tells the reaper of a finished message. When the pipe is full (or the reaper gone) the files are removed
/// here and now, so that what waits is bounded. Does not throw.
void give_to_reaper(const Spool& spool, const QueueNotificationWriter& pipe, const std::string& id);

}  // namespace postoffice
