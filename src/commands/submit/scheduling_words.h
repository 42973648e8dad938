// The options of sendmail(8) that say when a message is to be delivered: -O DeliverBy, HoldFor, HoldUntil and
// Priority.
#pragma once

#include "postoffice/base/result.h"
#include "postoffice/commands/line/command_line.h"
#include "postoffice/mail/scheduling.h"

namespace postoffice {

/// `longest_hold`: that this host allows; 0: none. The problem names the option.
Result<Scheduling> parse_scheduling(const SubmissionWords& words, Seconds longest_hold, UnixTime now);

}  // namespace postoffice
