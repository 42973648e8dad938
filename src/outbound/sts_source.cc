#include "postoffice/outbound/sts_source.h"

#include <algorithm>
#include <system_error>

#include "postoffice/base/idn.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/outbound/sts_policy.h"

namespace postoffice {
namespace {

bool is_half_over(const StsPolicy& policy, const StsCacheEntry& entry, UnixTime now) {
    return now - entry.fetched >= policy.max_age.count() / 2;
}

/// A name of several labels, and no address literal.
bool is_policy_domain(const std::string& domain) {
    return domain.find('.') != domain.npos && domain.front() != '.' &&
           std::all_of(domain.begin(), domain.end(),
                       [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.'; });
}

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    for (const std::string_view line : split(text, '\n'))
        if (!trim(line).empty()) lines.emplace_back(trim(line));
    return lines;
}

TlsPolicy tls_policy(const StsPolicy& policy, std::string_view text) {
    return {.level = TlsLevel::verify,
            .mx_patterns = policy.hosts,
            .is_testing = policy.mode == StsPolicy::Mode::testing,
            .name = policy.mode == StsPolicy::Mode::testing ? "sts-testing" : "sts",
            .text = lines_of(text)};
}

}  // namespace

std::optional<TlsPolicy> StsSource::policy_for(const std::string& next_hop) {
    const auto domain = domain_to_ascii(next_hop);
    if (!domain || !is_policy_domain(*domain)) return std::nullopt;
    const bool is_known = known_ && known_->domain == *domain && known_->since.time() < fresh;
    if (!is_known) known_ = Known{*domain, find(*domain)};
    return known_->policy;
}

std::optional<TlsPolicy> StsSource::find(const std::string& domain) {
    const UnixTime now = now_unix();
    StsCacheEntry entry = cache_.find(domain).value_or(StsCacheEntry{});
    auto policy = entry.valid_policy(now);
    const std::string id = announced_id(domain);
    const bool is_due = !policy || id != entry.id || is_half_over(*policy, entry, now);
    const bool may_try = now < entry.failed || now - entry.failed >= pause;
    if (!id.empty() && is_due && may_try) {
        renew(domain, entry, id);
        policy = entry.valid_policy(now_unix());
    }
    if (!policy || policy->mode == StsPolicy::Mode::none) return std::nullopt;
    return tls_policy(*policy, entry.policy);
}

std::string StsSource::announced_id(const std::string& domain) const {
    const RecordLookup lookup = ask_("_mta-sts." + domain);
    std::vector<std::string> records;
    for (const DnsRecord& record : lookup.records) records.push_back(record.text);
    return sts_policy_id(records);
}

void StsSource::renew(const std::string& domain, StsCacheEntry& entry, const std::string& id) const {
    const auto text = fetch_(domain);
    const auto policy = text ? parse_sts_policy(*text) : Result<StsPolicy>(Problem{text.problem()});
    const UnixTime now = now_unix();
    if (policy) {
        entry = {id, now, 0, *text};
    } else {
        entry.failed = now;
        log_event("", "sts-fetch-failed", {{"domain", domain}, {"reason", policy.problem()}});
    }
    try {
        cache_.store(domain, entry);
    } catch (const std::system_error& error) {
        log_event("", "sts-not-stored", {{"domain", domain}, {"reason", error.code().message()}});
    }
}

}  // namespace postoffice
