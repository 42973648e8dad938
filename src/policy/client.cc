#include "postoffice/policy/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "postoffice/base/ip_network.h"
#include "postoffice/base/text.h"
#include "postoffice/mail/address.h"
#include "postoffice/net/mx.h"

namespace postoffice {
namespace {

constexpr Seconds patience_for_client_names{30};
constexpr std::size_t names_to_try = 3;  // an address can have any number of names

bool contains(const std::vector<IpAddress>& addresses, const IpAddress& address) {
    return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

/// Whether one of the MX records leads to us; unclear if it may.
ClientTrust leads_here(const Config& config, const Resolver& resolver, const MxLookup& mx) {
    if (mx.status == DnsStatus::temporary) return ClientTrust::undecided;
    ClientTrust trust = ClientTrust::stranger;
    constexpr std::size_t most_lookups = 20;
    std::size_t lookups = 0;
    for (const auto& [preference, host] : mx.records) {
        if (host.empty() || ++lookups > most_lookups) continue;
        if (host == config.identity.hostname) return ClientTrust::trusted;
        const auto lookup = resolver.addresses(host);
        if (lookup.status == DnsStatus::temporary) trust = ClientTrust::undecided;
        // Every domain can have an MX that leads to 127.0.0.1.
        if (std::any_of(lookup.addresses.begin(), lookup.addresses.end(),
                        [](const IpAddress& a) { return !a.is_loopback() && is_own_address(a); }))
            return ClientTrust::trusted;
    }
    return trust;
}

/// The record must be the host's own. Beside a wildcard (RFC 4592) any other name has the same one.
ClientTrust standing_by_mx(const Config& config, const Resolver& resolver, const std::string& name) {
    const auto dot = name.find('.');
    if (dot == std::string::npos) return ClientTrust::stranger;
    const ClientTrust trust = leads_here(config, resolver, resolver.mx(name));
    if (trust != ClientTrust::trusted) return trust;
    constexpr std::string_view unused_name = "no-host-has-this-name-0b7c1d";
    switch (leads_here(config, resolver, resolver.mx(fmt::format("{}{}", unused_name, name.substr(dot))))) {
        case ClientTrust::stranger:
            return ClientTrust::trusted;
        case ClientTrust::undecided:
            return ClientTrust::undecided;
        case ClientTrust::trusted:
            break;
    }
    return ClientTrust::stranger;
}

Reply dns_is_silent(const Client& client) {
    return {450, "4.7.25",
            fmt::format("the name of {} cannot be looked up now; please try again later",
                        client.address->to_string())};
}

}  // namespace

ClientName find_client_name(const Resolver& resolver, const IpAddress& address) {
    if (address.is_loopback()) return {"localhost", NameStatus::verified};
    const Resolver bounded = resolver.until(Deadline::after(patience_for_client_names));
    const auto pointers = bounded.names(address);
    if (pointers.status == DnsStatus::temporary) return {};
    ClientName result{"unknown", pointers.names.empty() ? NameStatus::none : NameStatus::contradicted};
    std::size_t tried = 0;
    for (const auto& name : pointers.names) {
        if (tried++ == names_to_try) break;
        if (!is_valid_domain(name)) continue;
        const auto lookup = bounded.addresses(name);
        if (contains(lookup.addresses, address)) return {name, NameStatus::verified};
        if (lookup.status == DnsStatus::temporary) result.status = NameStatus::temporary;
    }
    return result;
}

bool is_own_address(const IpAddress& address) {
    if (address.is_loopback()) return true;
    static const std::vector<IpAddress> own = interface_addresses();
    return contains(own, address);
}

bool is_one_of(const HostList& hosts, const Client& client) {
    if (client.address && hosts.contains(*client.address)) return true;
    return client.name_status == NameStatus::verified &&
           std::any_of(hosts.names.begin(), hosts.names.end(),
                       [&](const std::string& host) { return equals_ignoring_case(host, client.name); });
}

std::string Client::text() const {
    if (!address) return "stdin";
    return fmt::format("{}[{}]", name.empty() ? "unknown" : name, address->to_string());
}

ClientTrust trust_of(const Config& config, const Resolver& resolver, const Client& client) {
    if (!client.address || is_own_address(*client.address) || is_one_of(config.access.trusted, client))
        return ClientTrust::trusted;
    if (client.name_status == NameStatus::temporary &&
        (config.access.localmx || !config.access.trusted.names.empty()))
        return ClientTrust::undecided;
    if (config.access.localmx && client.name_status == NameStatus::verified)
        return standing_by_mx(config, resolver, client.name);
    return ClientTrust::stranger;
}

std::optional<Reply> check_client_name(const Config& config, const Client& client) {
    if (!config.access.paranoid && !config.access.dnscheck) return std::nullopt;
    switch (client.name_status) {
        case NameStatus::none:
            return Reply{550, "5.7.25",
                         fmt::format("{} takes no mail from {}: that address has no name in DNS",
                                     config.identity.hostname, client.address->to_string())};
        case NameStatus::contradicted:
            if (!config.access.dnscheck) return std::nullopt;
            return Reply{
                550, "5.7.25",
                fmt::format("{} takes no mail from {}: the name of that address does not lead back to it",
                            config.identity.hostname, client.address->to_string())};
        case NameStatus::temporary:
            return dns_is_silent(client);
        case NameStatus::unasked:
        case NameStatus::verified:
            break;
    }
    return std::nullopt;
}

std::optional<Reply> check_hello(const Config& config, const Client& client, std::string_view argument) {
    if (!config.access.checkhelo) return std::nullopt;
    const std::string name = normalized_name(argument);
    // Mail programs that do not want to give their address say localhost and [127.0.0.1].
    if (name == "localhost") return std::nullopt;
    const auto literal = IpAddress::parse_literal(argument);
    const auto address = literal ? literal : IpAddress::parse(argument);
    const bool is_us =
        address ? !address->is_loopback() && is_own_address(*address) : config.identity.is_local_domain(name);
    if (!is_us) return std::nullopt;
    return Reply{521, "5.7.1",
                 fmt::format("{} is the name of this host, not of {}", argument, client.text())};
}

}  // namespace postoffice
