#include "postoffice/delivery/reaper.h"

#include <poll.h>

#include "postoffice/base/log.h"

namespace postoffice {
namespace {

void reap_quietly(const Spool& spool, const std::string& id) {
    try {
        spool.reap(id);
    } catch (const std::system_error& error) {
        log_event(id, "not-removed", {{"reason", error.what()}});  // the next start of a runner tries again
    }
}

}  // namespace

int run_reaper(const Spool& spool, Fd ids) {
    for (const std::string& id : spool.finished()) reap_quietly(spool, id);
    QueueNotificationReader reader(ids);
    for (;;) {
        pollfd entry{ids.get(), POLLIN, 0};
        if (::poll(&entry, 1, -1) < 0) continue;
        const bool is_last = (entry.revents & POLLHUP) != 0;
        (void)reader.read([&](const std::string& id, bool) { reap_quietly(spool, id); });
        if (is_last && !reader.has_more()) return 0;
    }
}

void give_to_reaper(const Spool& spool, const QueueNotificationWriter& pipe, const std::string& id) {
    if (!pipe.queued(id)) reap_quietly(spool, id);
}

}  // namespace postoffice
