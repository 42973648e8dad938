#include "postoffice/outbound/dane.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t tlsa_head = 3;  // usage, selector, matching type

TlsaRecord tlsa_record(const DnsRecord& record) {
    const auto octet = [&record](std::size_t i) { return static_cast<std::uint8_t>(record.text[i]); };
    if (record.text.size() < tlsa_head) return {255, 255, 255, ""};  // of no known usage
    return {octet(0), octet(1), octet(2), record.text.substr(tlsa_head)};
}

// nullopt: there are none, which need not be signed: an unsigned answer has no more weight than none.
std::optional<DaneRecords> records_of(const Resolver& resolver, const std::string& base, std::uint16_t port) {
    const RecordLookup lookup = resolver.records(fmt::format("_{}._tcp.{}", port, base), DnsType::tlsa);
    if (lookup.status == DnsStatus::temporary)
        return DaneRecords{DaneRecords::Status::temporary, {}, base, lookup.why};
    if (lookup.status != DnsStatus::found || !lookup.is_secure) return std::nullopt;
    DaneRecords found{DaneRecords::Status::found, {}, base};
    std::transform(lookup.records.begin(), lookup.records.end(), std::back_inserter(found.records),
                   tlsa_record);
    return found;
}

DaneRecords none(std::string why) {
    return {DaneRecords::Status::none, {}, {}, std::move(why)};
}

// The names to look below, the best first: RFC 7672 section 2.2.2 and 2.2.3.
std::vector<std::string> base_domains(const Resolver& resolver, const MailHost& host) {
    const bool is_alias = host.canonical_name != host.name;
    if (host.has_secure_addresses)
        return is_alias ? std::vector{host.canonical_name, host.name} : std::vector{host.name};
    if (!is_alias) return {};
    // A signed alias of an unsigned host: what stands below the alias counts.
    const RecordLookup alias = resolver.records(host.name, DnsType::cname);
    return alias.status == DnsStatus::found && alias.is_secure ? std::vector{host.name}
                                                               : std::vector<std::string>{};
}

}  // namespace

DaneRecords find_dane_records(const Resolver& resolver, const MailHost& host, std::uint16_t port) {
    if (!resolver.trusts_servers()) return none("no name server is trusted to validate");
    if (host.canonical_name.empty()) return none("its addresses do not come from DNS");
    if (!host.is_confirmed) return none("the MX record is not signed");
    const std::vector<std::string> bases = base_domains(resolver, host);
    if (bases.empty()) return none("its addresses are not signed");
    for (const std::string& base : bases)
        if (auto found = records_of(resolver, base, port)) return *std::move(found);
    return none("it has no TLSA record");
}

}  // namespace postoffice
