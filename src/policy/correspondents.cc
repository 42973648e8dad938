#include "postoffice/policy/correspondents.h"

#include <algorithm>
#include <set>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

/// A frequent sender is noted once in this time: reading is cheaper than writing.
constexpr std::int64_t renewal_interval = 3600;

// No address begins like this: a name with a colon is written in quotes.
std::string written_to(const Address& address) {
    return "to:" + to_lower(address.to_string());
}

std::string written_by(const std::string& address) {
    return "from:" + to_lower(address);
}

std::set<std::string> keys_of(const Envelope& envelope, bool is_from_us) {
    std::set<std::string> keys;
    for (const Recipient& recipient : envelope.recipients) {
        if (!recipient.destination.is<Destination::Remote>()) continue;
        const Address& sender = recipient.sender ? *recipient.sender : envelope.sender;
        if (sender.is_null() || !(is_from_us || recipient.sender)) continue;
        keys.insert(written_by(sender.to_string()));
        if (is_from_us) keys.insert(written_to(recipient.destination.address));
    }
    return keys;
}

void note(const GreylistStore& store, const std::string& key, UnixTime now) {
    const auto known = store.find(key);
    if (known && now >= known->last && now - known->last < renewal_interval) return;
    store.change(key, [&](const std::optional<GreylistEntry>& before) {
        GreylistEntry entry = before.value_or(GreylistEntry{now, now, 0, now, false});
        entry.last = entry.passed = now;
        return std::optional(entry);
    });
}

bool is_recent(const GreylistStore& store, const std::string& key, Seconds most, UnixTime now) {
    if (most.count() == 0) return false;
    const auto entry = store.find(key);
    return entry && !entry->is_blacklisted && now - entry->last <= most.count();
}

}  // namespace

void note_correspondence(const GreylistConfig& config, const Envelope& envelope, bool is_from_us,
                         UnixTime now) {
    if (!config.enabled) return;
    try {
        const GreylistStore store(config.db_dir);
        for (const std::string& key : keys_of(envelope, is_from_us)) note(store, key, now);
    } catch (const std::exception& error) {
        log_event("", "greylist-unusable", {{"file", config.db_dir}, {"reason", in_plain_words(error)}});
    }
}

bool was_written_to(const GreylistConfig& config, const GreylistStore& store, const Address& address,
                    UnixTime now) {
    return is_recent(store, written_to(address), config.written, now);
}

bool have_all_written(const GreylistConfig& config, const GreylistStore& store,
                      const std::vector<std::string>& addresses, UnixTime now) {
    return !addresses.empty() &&
           std::all_of(addresses.begin(), addresses.end(), [&](const std::string& address) {
               return is_recent(store, written_by(address), config.bounces, now);
           });
}

}  // namespace postoffice
