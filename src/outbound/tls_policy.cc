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
    if (policy.level == TlsLevel::may)
        return tls_is_built_in() ? ClientTls::Use::if_offered : ClientTls::Use::never;
    return ClientTls::Use::required;
}

}  // namespace

TlsPolicies::TlsPolicies(const Config& config)
    : config_(config), table_(config.remote.tls_policy), client_(config.remote.tls_authorities) {}

TlsPolicy TlsPolicies::policy_for(const std::string& next_hop) {
    if (const auto policy = table_.find(next_hop)) return *policy;
    const TlsLevel level = config_.remote.tls;
    if (level != TlsLevel::none)
        for (TlsPolicySource* const source : sources_)
            if (auto policy = source->policy_for(next_hop)) return *std::move(policy);
    return {.level = level, .name = std::string(to_string(level))};
}

Result<ClientTls> TlsPolicies::tls_for(const TlsPolicy& policy, const std::string& next_hop,
                                       const MailHost& host) {
    const std::string name = host_name(host.name);
    const auto fits = [&name](const std::string& pattern) { return matches_mx_pattern(name, pattern); };
    const bool is_expected =
        policy.mx_patterns.empty() || std::any_of(policy.mx_patterns.begin(), policy.mx_patterns.end(), fits);
    if (!is_expected && !policy.is_testing)
        return Problem{fmt::format("the policy {} of {} does not have the host {}", policy.name,
                                   printable(next_hop), printable(name))};
    ClientTls tls{use_of(policy), {name}, &client_, policy.name};
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

bool matches_mx_pattern(const std::string& host, const std::string& pattern) {
    if (!pattern.starts_with("*.")) return host == pattern;
    const auto dot = host.find('.');
    return dot != host.npos && dot > 0 && host.substr(dot) == pattern.substr(1);
}

}  // namespace postoffice
