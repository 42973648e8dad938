#include "postoffice/outbound/tls_policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/idn.h"
#include "postoffice/base/text.h"
#include "postoffice/net/tls.h"

namespace postoffice {
namespace {

// A name for DNS and certificates; of an address literal, the address.
std::string host_name(const std::string& name) {
    if (const auto address = IpAddress::parse_literal(name)) return address->to_string();
    return domain_to_ascii(name).value_or(name);
}

std::vector<std::string> certificate_names(const TlsPolicy& policy, const std::string& next_hop,
                                           const std::string& host) {
    if (policy.match.empty()) return {host};
    std::vector<std::string> names = policy.match;
    for (std::string& name : names) {
        if (name == "hostname") name = host;
        if (name == "nexthop") name = host_name(next_hop);
        if (name == "dot-nexthop") name = "." + host_name(next_hop);
    }
    return names;
}

ClientTls::Use use_of(const TlsPolicy& policy) {
    if (policy.level == TlsLevel::none) return ClientTls::Use::never;
    if (policy.level == TlsLevel::may || policy.level == TlsLevel::dane)
        return tls_is_built_in() ? ClientTls::Use::if_offered : ClientTls::Use::never;
    return ClientTls::Use::required;
}

// What a domain says of itself may ask for more than the option does, never for less.
bool may_replace(TlsLevel option, const TlsPolicy& policy) {
    const bool holds_mail_up = option == TlsLevel::encrypt || option == TlsLevel::verify;
    return !(policy.is_testing && holds_mail_up);
}

}  // namespace

TlsPolicies::TlsPolicies(const Config& config)
    : config_(config), table_(config.remote.tls_policy), client_(config.remote.tls_authorities) {}

TlsPolicy TlsPolicies::policy_for(const std::string& next_hop, TlsWish wish) {
    if (wish != TlsWish::required) {
        TlsPolicy policy = general_policy(next_hop, wish);
        if (wish == TlsWish::waived && policy.level == TlsLevel::dane) policy.level = TlsLevel::may;
        return policy;
    }
    TlsPolicy policy = general_policy(next_hop, wish);
    policy.passes_requiretls = true;
    policy.is_testing = false;
    policy.prefers_dane = true;
    policy.name = "requiretls";
    const bool is_checked = policy.level == TlsLevel::fingerprint || policy.level == TlsLevel::dane_only;
    if (!is_checked) policy.level = TlsLevel::verify;
    return policy;
}

// Without the wish for REQUIRETLS. Where TLS is waived, what the domain of the recipient wants does not
// count, but what the administrator of this host wants does: RFC 8689 section 4.2.2.
TlsPolicy TlsPolicies::general_policy(const std::string& next_hop, TlsWish wish) {
    if (const auto policy = table_.find(next_hop)) return *policy;
    const TlsLevel level = config_.remote.tls;
    const bool is_open_to_sources = level != TlsLevel::none && level != TlsLevel::dane_only;
    if (is_open_to_sources && wish != TlsWish::waived)
        for (TlsPolicySource* const source : sources_)
            if (auto policy = source->policy_for(next_hop); policy && may_replace(level, *policy)) {
                policy->prefers_dane = level == TlsLevel::dane;
                return *std::move(policy);
            }
    return {.level = level, .name = std::string(to_string(level))};
}

bool TlsPolicies::needs_dane_records(const TlsPolicy& policy) {
    return policy.prefers_dane || policy.level == TlsLevel::dane || policy.level == TlsLevel::dane_only;
}

Result<ClientTls> TlsPolicies::tls_for(const TlsPolicy& policy, const std::string& next_hop,
                                       const MailHost& host, const DaneRecords& dane) {
    const std::string name = host_name(host.name);
    if (dane.status != DaneRecords::Status::none || policy.level == TlsLevel::dane_only)
        return tls_by_dane(policy, next_hop, host, dane);
    const auto fits = [&name](const std::string& pattern) { return matches_mx_pattern(name, pattern); };
    const bool is_expected =
        policy.mx_patterns.empty() || std::any_of(policy.mx_patterns.begin(), policy.mx_patterns.end(), fits);
    if (!is_expected && !policy.is_testing)
        return Problem{fmt::format("the policy {} of {} does not have the host {}", policy.name,
                                   printable(next_hop), printable(name))};
    // Without TLSA records, level dane is level may.
    const std::string label = policy.level == TlsLevel::dane ? "may" : policy.name;
    const bool is_right_host = host.is_confirmed || !policy.mx_patterns.empty() || !policy.match.empty() ||
                               policy.level == TlsLevel::fingerprint;
    if (policy.passes_requiretls && !is_right_host)
        return Problem{fmt::format("REQUIRETLS: neither DNSSEC nor MTA-STS says that {} is a mail host of {}",
                                   printable(name), printable(next_hop))};
    ClientTls tls{use_of(policy), {name}, &client_, label};
    if (policy.is_testing && tls.use == ClientTls::Use::required) tls.use = ClientTls::Use::if_offered;
    if (policy.level == TlsLevel::verify) {
        tls.peer.check = TlsPeer::Check::names;
        tls.peer.names = certificate_names(policy, next_hop, name);
    }
    if (policy.level == TlsLevel::fingerprint) {
        tls.peer.check = TlsPeer::Check::fingerprint;
        tls.peer.fingerprints = policy.fingerprints;
    }
    return tls;
}

Result<ClientTls> TlsPolicies::tls_by_dane(const TlsPolicy& policy, const std::string& next_hop,
                                           const MailHost& host, const DaneRecords& dane) {
    const std::string name = host_name(host.name);
    if (dane.status != DaneRecords::Status::found)
        return Problem{fmt::format("DANE for {}: {}", printable(name), dane.why)};
    ClientTls tls{ClientTls::Use::required, {dane.base}, &client_, "dane"};
    for (const TlsaRecord& record : dane.records)
        if (client_.can_use(record)) tls.peer.tlsa.push_back(record);
    if (!tls.peer.tlsa.empty()) {
        tls.peer.check = TlsPeer::Check::dane;
        tls.peer.names = {name, host_name(next_hop)};  // and the base: RFC 7672 section 3.2.2
        return tls;
    }
    // RFC 7672 section 2.2: records of which none is usable still say that the host has TLS.
    if (policy.level == TlsLevel::dane_only || policy.passes_requiretls)
        return Problem{fmt::format("DANE for {}: none of its TLSA records is usable", printable(name))};
    tls.policy = "dane, unusable";
    return tls;
}

bool matches_mx_pattern(const std::string& host, const std::string& pattern) {
    if (!pattern.starts_with("*.")) return host == pattern;
    const auto dot = host.find('.');
    return dot != host.npos && dot > 0 && host.substr(dot) == pattern.substr(1);
}

}  // namespace postoffice
