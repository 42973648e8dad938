#include "postoffice/policy/greylist_expiry.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/policy/greylist_store.h"

namespace postoffice {
namespace {

constexpr UnixTime interval = 12 * 3600;
constexpr std::int64_t senders_give_up = 5 * 86400;  // RFC 5321 section 4.5.4.1

/// Its modification time is that of the last expiry.
std::string mark_of_expiry(const GreylistConfig& config) {
    return config.db_dir + "/greylist.expired";
}

std::int64_t longest_wait(const GreylistConfig& config) {
    const unsigned factor = std::max({1U, config.unnamed, config.null, config.null_unnamed});
    return config.delay.count() * factor * greylist_odd_sender_factor;
}

}  // namespace

bool is_expired(const GreylistConfig& config, const GreylistEntry& entry, UnixTime now) {
    if (entry.is_blacklisted || config.keep.count() == 0) return false;
    const std::int64_t most =
        entry.passed != 0 ? config.keep.count() : senders_give_up + longest_wait(config);
    return now - entry.last >= most;
}

bool is_greylist_expiry_due(const GreylistConfig& config, UnixTime now) noexcept {
    if (!config.enabled || config.keep.count() == 0) return false;
    struct stat status {};
    return ::stat(mark_of_expiry(config).c_str(), &status) != 0 || now - status.st_mtime >= interval ||
           status.st_mtime > now;
}

void expire_greylist(const GreylistConfig& config, UnixTime now,
                     const std::function<bool()>& goes_on) noexcept try {
    // Marked first: where there is a reason why it fails, it is not tried again at once.
    const Fd mark = disk::open(mark_of_expiry(config), O_WRONLY | O_CREAT | O_NOFOLLOW, 0640);
    disk::set_modification_time(mark.get(), now);
    std::size_t kept = 0, removed = 0;
    GreylistStore(config.db_dir)
        .visit(
            [&](const std::string&, const GreylistEntry& entry) {
                const bool goes = is_expired(config, entry, now);
                ++(goes ? removed : kept);
                return goes ? std::nullopt : std::optional(entry);
            },
            true, goes_on);
    log_event("", "greylist-expired", {{"removed", std::to_string(removed)}, {"kept", std::to_string(kept)}});
} catch (const std::exception& error) {
    log_event("", "greylist-unusable", {{"file", config.db_dir}, {"reason", in_plain_words(error)}});
}

}  // namespace postoffice
