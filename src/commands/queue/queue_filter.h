// The filters of -q: which queued messages a command means.
#pragma once

#include <vector>

#include "postoffice/commands/line/command_line.h"
#include "postoffice/queue/spool.h"

namespace postoffice {

/// True if the message meets all filters. Text is compared without case.
bool meets_filters(const Journal& journal, const std::vector<QueueFilter>& filters);

}  // namespace postoffice
