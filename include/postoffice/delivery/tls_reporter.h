// Sends reports about TLS to the domains that want them, once a day: RFC 8460.
#pragma once

#include "postoffice/base/clock.h"
#include "postoffice/config/config.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/queue/spool.h"

namespace postoffice {

/// The results of the queue agents: TlsResults.
std::string tls_results_folder(const Config& config);

/// There are results of a day that is over. Hosts wait for up to four hours after midnight, each for a time
/// of its own (section 4.1).
bool are_tls_reports_due(const Config& config, UnixTime now);

/// Queues a message to each address of each domain of these days, and tells the runner. The results are
/// removed first: a crash may lose a report, and never repeats one. Without tls-reports= they are only
/// removed.
void send_tls_reports(const Config& config, const Spool& spool, const QueueNotificationWriter& runner,
                      UnixTime now);

}  // namespace postoffice
