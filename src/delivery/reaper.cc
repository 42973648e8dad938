#include "postoffice/delivery/reaper.h"

#include <poll.h>

#include <map>
#include <utility>

#include "postoffice/base/log.h"

namespace postoffice {
namespace {

template <class Removal>
void quietly(const std::string& id, const Removal& remove) {
    try {
        remove();
    } catch (const std::system_error& error) {
        log_event(id, "not-removed", {{"reason", error.what()}});  // the next start of a runner tries again
    }
}

void reap_quietly(const Spool& spool, const std::string& id) {
    quietly(id, [&] { spool.reap(id); });
}

/// A message of each folder in which files were removed, by the folder.
class TouchedFolders {
  public:
    explicit TouchedFolders(const Spool& spool) : spool_(spool) {}
    void note(const std::string& id) { ids_.emplace(spool_.folder_of(id), id); }
    /// When there is no more to do: to find that a folder is not empty takes time, too.
    void remove_spent() {
        for (const auto& [folder, id] : std::exchange(ids_, {}))
            quietly(id, [&] { spool_.remove_folder_of(id); });
    }

  private:
    const Spool& spool_;
    std::map<std::string, std::string> ids_;
};

}  // namespace

int run_reaper(const Spool& spool, const StsCache& policies, Fd ids) {
    TouchedFolders folders(spool);
    const auto reap = [&](const std::string& id) {
        reap_quietly(spool, id);
        folders.note(id);
    };
    for (const std::string& id : spool.finished()) reap(id);
    QueueNotificationReader reader(ids);
    Deadline next_look = Deadline::after(Milliseconds(0));
    for (;;) {
        if (next_look.passed()) {
            quietly("", [&] { policies.remove_expired(now_unix()); });
            next_look = Deadline::after(std::chrono::hours(24));
        }
        pollfd entry{ids.get(), POLLIN, 0};
        if (::poll(&entry, 1, next_look.poll_timeout()) <= 0) continue;
        const bool is_last = (entry.revents & POLLHUP) != 0;
        (void)reader.read([&](const std::string& id, bool) { reap(id); });
        if (!reader.has_more()) folders.remove_spent();
        if (is_last && !reader.has_more()) return 0;
    }
}

void give_to_reaper(const Spool& spool, const QueueNotificationWriter& pipe, const std::string& id) {
    if (!pipe.queued(id)) reap_quietly(spool, id);
}

}  // namespace postoffice
