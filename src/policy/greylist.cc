#include "postoffice/policy/greylist.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::int64_t null_sender_window = 600;  ///< seconds after its wait in which mail from <> is taken
/// Seen again within this time, an entry that has passed is left alone: reading is cheaper than writing.
constexpr std::int64_t update_interval = 3600;
constexpr std::int64_t year = 365 * 86400;

bool is_odd(const Address& sender) {
    const std::string& name = sender.local_part();
    return std::any_of(name.begin(), name.end(), [](char c) { return c <= ' ' || c == 0x7f; });
}

std::string sender_text(const Address& sender) {
    return sender.is_null() ? "<>" : to_lower(sender.to_string());
}

std::string key_in(const GreylistConfig& config, const GreylistFacts& facts, const std::string& pool) {
    const bool anywhere = config.from && !facts.sender.is_null();
    return anywhere ? sender_text(facts.sender) : fmt::format("{}[{}]", sender_text(facts.sender), pool);
}

}  // namespace

std::string GreylistEntry::text() const {
    if (is_blacklisted) return "*";
    return fmt::format("first={} last={} tries={} passed={}", first, last, tries, passed);
}

std::optional<GreylistEntry> GreylistEntry::parse(std::string_view text) {
    text = trim(text);
    GreylistEntry entry;
    if (text == "*") {
        entry.is_blacklisted = true;
        return entry;
    }
    if (const auto time = parse_number(text)) {  // an older version's: when it may come, for ever is never
        entry.is_blacklisted = *time >= 0x7fffffff;
        entry.first = entry.last = static_cast<UnixTime>(std::min<std::uint64_t>(*time, 0x7fffffff));
        return entry;
    }
    for (const auto field : split(text, ' ')) {
        auto value_text = field;
        const auto name = read_until(value_text, '=');
        const auto value = parse_number(value_text);
        if (!value || *value > (std::uint64_t{1} << 40)) return std::nullopt;
        const auto time = static_cast<UnixTime>(*value);
        if (name == "first")
            entry.first = time;
        else if (name == "last")
            entry.last = time;
        else if (name == "tries")
            entry.tries = static_cast<unsigned>(std::min<std::uint64_t>(*value, 1'000'000));
        else if (name == "passed")
            entry.passed = time;
        else
            return std::nullopt;
    }
    return entry;
}

std::int64_t greylist_delay(const GreylistConfig& config, const GreylistFacts& facts) {
    std::int64_t factor = 1;
    if (facts.sender.is_null())
        factor = facts.client_has_name ? config.null : config.null_unnamed;
    else
        factor = facts.client_has_name ? 1 : config.unnamed;
    if (is_odd(facts.sender)) factor *= greylist_odd_sender_factor;
    return std::min(config.delay.count() * factor, year);
}

GreylistVerdict judge_greylisted(const GreylistConfig& config, const GreylistFacts& facts,
                                 const std::optional<GreylistEntry>& known, UnixTime now) {
    using Kind = GreylistVerdict::Kind;
    const std::int64_t delay = greylist_delay(config, facts);
    GreylistVerdict verdict;
    if (!known) {
        verdict.entry = {now, now, 1, 0, false};
        verdict.is_changed = true;
        verdict.kind = delay > 0 ? Kind::wait : Kind::pass;
        verdict.seconds = delay;
        return verdict;
    }
    verdict.entry = *known;
    GreylistEntry& entry = verdict.entry;
    if (entry.is_blacklisted) {
        verdict.kind = Kind::never;
        return verdict;
    }
    // A clock that was set back must not keep a sender out for longer than the wait.
    entry.first = std::min(entry.first, now);
    const UnixTime ready = entry.first + delay;
    const bool is_known_good = entry.passed != 0 && !facts.sender.is_null();
    if (!is_known_good && now < ready) {
        verdict.kind = Kind::wait;
        verdict.seconds = ready - now;
        ++entry.tries;
        entry.last = now;
        verdict.is_changed = true;
        return verdict;
    }
    if (facts.sender.is_null() && now > ready + null_sender_window) {
        verdict.entry = {now, now, entry.tries + 1, entry.passed, false};
        verdict.kind = Kind::wait;
        verdict.seconds = delay;
        verdict.is_changed = true;
        return verdict;
    }
    verdict.is_changed = entry.passed == 0 || now - entry.last >= update_interval;
    if (verdict.is_changed) entry.last = entry.passed = now;
    return verdict;
}

std::string greylist_network(const IpAddress& client) {
    return client.network_text(client.is_v6() ? 64 : 24);
}

std::string greylist_key(const GreylistConfig& config, const GreylistFacts& facts) {
    return key_in(config, facts, greylist_network(facts.client));
}

std::string greylist_key_by_domain(const GreylistConfig& config, const GreylistFacts& facts) {
    return key_in(config, facts, facts.sender.domain());
}

}  // namespace postoffice
