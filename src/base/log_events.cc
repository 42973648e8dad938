// The events of the log and how urgent each is. A row for each event that is not of the ordinary course of
// mail (LOG_INFO), the most urgent first.
#include <syslog.h>

#include <algorithm>
#include <array>

#include "postoffice/base/log.h"

namespace postoffice {
namespace {

struct Event {
    std::string_view name;
    int priority;
};

constexpr auto events = std::to_array<Event>({
    // A part of the server is gone.
    {"crash", LOG_CRIT},
    {"not-started", LOG_CRIT},

    // Something that should work does not; mail waits or is refused until that is mended.
    {"authenticator", LOG_ERR},
    {"damaged", LOG_ERR},
    {"domains-unusable", LOG_ERR},
    {"drop-unreadable", LOG_ERR},
    {"drops-unreadable", LOG_ERR},
    {"error", LOG_ERR},
    {"greylist-damaged", LOG_ERR},
    {"greylist-unusable", LOG_ERR},
    {"helper-ended", LOG_ERR},
    {"helper-not-started", LOG_ERR},
    {"log", LOG_ERR},
    {"message-unreadable", LOG_ERR},
    {"no-session-process", LOG_ERR},
    {"not-accepted", LOG_ERR},
    {"not-recorded", LOG_ERR},
    {"not-settled", LOG_ERR},
    {"not-stored", LOG_ERR},
    {"port-busy", LOG_ERR},
    {"protocol", LOG_ERR},
    {"reload-refused", LOG_ERR},
    {"spawn", LOG_ERR},

    // The administrator may want to look.
    {"accept-failed", LOG_WARNING},
    {"alias-broken", LOG_WARNING},
    {"alias-database-outdated", LOG_WARNING},
    {"alias-database-unusable", LOG_WARNING},
    {"alias-member-skipped", LOG_WARNING},
    {"client-lost", LOG_WARNING},
    {"clock-went-back", LOG_WARNING},
    {"config", LOG_WARNING},
    {"delivery-file-ignored", LOG_WARNING},
    {"domain-broken", LOG_WARNING},
    {"drop-deferred", LOG_WARNING},
    {"drop-refused", LOG_WARNING},
    {"dsn", LOG_WARNING},
    {"few-descriptors", LOG_WARNING},
    {"file", LOG_WARNING},
    {"hosts-access", LOG_WARNING},
    {"instruction", LOG_WARNING},
    {"pickup-worker-ended", LOG_WARNING},
    {"issue.smtp", LOG_WARNING},
    {"leads-to-nobody", LOG_WARNING},
    {"listening-early", LOG_WARNING},
    {"local-transport", LOG_WARNING},
    {"mailbox", LOG_WARNING},
    {"not-notified", LOG_WARNING},
    {"not-permitted", LOG_WARNING},
    {"not-removed", LOG_WARNING},
    {"not-reported", LOG_WARNING},
    {"not-routed", LOG_WARNING},
    {"not-swept", LOG_WARNING},
    {"not-taken", LOG_WARNING},
    {"proxy-header", LOG_WARNING},
    {"queue-agent-ended", LOG_WARNING},
    {"route-deferred", LOG_WARNING},
    {"socket-not-used", LOG_WARNING},
    {"tls-key", LOG_WARNING},
    {"unreportable", LOG_WARNING},
    {"usermap-file-ignored", LOG_WARNING},

    // Mail or a client was refused, and what the server does as a whole.
    {"REJECT", LOG_NOTICE},
    {"SPAM", LOG_NOTICE},
    {"audit", LOG_NOTICE},
    {"auth", LOG_NOTICE},
    {"client-refused", LOG_NOTICE},
    {"clients-refused", LOG_NOTICE},
    {"coal", LOG_NOTICE},
    {"dropped", LOG_NOTICE},
    {"failed", LOG_NOTICE},
    {"passed-on", LOG_NOTICE},
    {"process-ended", LOG_NOTICE},
    {"refused", LOG_NOTICE},
    {"reloaded", LOG_NOTICE},
    {"removed", LOG_NOTICE},
    {"started", LOG_NOTICE},
    {"stopped", LOG_NOTICE},
    {"stopping", LOG_NOTICE},
    {"submission-refused", LOG_NOTICE},
});

}  // namespace

int event_priority(std::string_view event) {
    const auto row =
        std::find_if(events.begin(), events.end(), [&](const Event& e) { return e.name == event; });
    return row == events.end() ? LOG_INFO : row->priority;
}

}  // namespace postoffice
