#include "postoffice/net/mx.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/text.h"
#include "postoffice/net/kernel_random.h"

namespace postoffice {
namespace {

// A domain may have any number of MX records; the addresses of this many are looked up.
constexpr std::size_t most_lookups = 20;

// This host, as far as DNS can name it.
struct Ourselves {
    std::string name;
    const std::vector<IpAddress>& addresses;

    bool is_named(const std::string& host) const { return !name.empty() && host == name; }
    bool has(const IpAddress& address) const {
        // Connecting to the unspecified address, or to any other of 127.0.0.0/8, reaches this host too.
        return address.is_unspecified() ||
               std::any_of(addresses.begin(), addresses.end(), [&](const IpAddress& own) {
                   return own == address ||
                          (own.is_loopback() && address.is_loopback() && own.is_v6() == address.is_v6());
               });
    }
    bool has_any(const std::vector<IpAddress>& list) const {
        return std::any_of(list.begin(), list.end(), [&](const IpAddress& address) { return has(address); });
    }
};

MxList failure(MxList::Status status, std::string why) {
    return {status, {}, std::move(why)};
}

MxList loops_back(const std::string& domain) {
    return failure(
        MxList::Status::loops_back,
        fmt::format("mail for {} leads back to this host, but is not local here", printable(domain)));
}

MailHost mail_host(const std::string& name, int preference, AddressLookup lookup, bool is_confirmed) {
    return {name,         preference,       std::move(lookup.addresses),
            is_confirmed, lookup.is_secure, std::move(lookup.name)};
}

MxList single_host(const std::string& name, AddressLookup lookup, const Ourselves& us, bool is_confirmed) {
    if (us.is_named(name) || us.has_any(lookup.addresses)) return loops_back(name);
    return {MxList::Status::found, {mail_host(name, 0, std::move(lookup), is_confirmed)}, {}};
}

// Best first, equal ones in random order, which spreads the load (RFC 5321 section 5.1), each host once.
void put_in_order(std::vector<MxRecord>& records) {
    std::shuffle(records.begin(), records.end(), KernelRandom());
    std::stable_sort(records.begin(), records.end(),
                     [](const MxRecord& a, const MxRecord& b) { return a.preference < b.preference; });
    std::vector<MxRecord> once;
    for (auto& record : records)
        if (std::none_of(once.begin(), once.end(), [&](const MxRecord& r) { return r.host == record.host; }))
            once.push_back(std::move(record));
    records = std::move(once);
}

// Everything as bad as ourselves or worse has no business getting the mail from us.
void drop_from_preference(std::vector<MailHost>& hosts, int preference) {
    std::erase_if(hosts, [&](const MailHost& host) { return host.preference >= preference; });
}

// Looks the hosts of sorted records up, as far as they are better than ourselves.
MxList hosts_of(const Resolver& resolver, const std::string& domain, MxLookup mx, const Ourselves& us) {
    std::vector<MxRecord>& records = mx.records;
    put_in_order(records);
    bool we_are_listed = false;
    if (const auto own = std::find_if(records.begin(), records.end(),
                                      [&](const MxRecord& r) { return us.is_named(r.host); });
        own != records.end()) {
        we_are_listed = true;
        std::erase_if(records,
                      [limit = own->preference](const MxRecord& r) { return r.preference >= limit; });
    }
    MxList list;
    std::string temporary_why;
    if (records.size() > most_lookups) {
        records.resize(most_lookups);
        temporary_why = fmt::format("{} has too many MX hosts", printable(domain));
    }
    std::string no_host_why = fmt::format("no MX host of {} exists", printable(domain));
    std::size_t found = 0;
    for (const auto& record : records) {
        // One that is as good as the last could be ourselves.
        if (found >= enough_addresses && record.preference > list.hosts.back().preference) break;
        auto lookup = resolver.addresses(record.host);
        if (lookup.status == DnsStatus::temporary) temporary_why = lookup.why;
        if (lookup.status != DnsStatus::found) continue;
        if (us.has_any(lookup.addresses)) {
            we_are_listed = true;
            drop_from_preference(list.hosts, record.preference);
            break;  // the rest is no better
        }
        found += lookup.addresses.size();
        list.hosts.push_back(mail_host(record.host, record.preference, std::move(lookup), mx.is_secure));
    }
    if (!list.hosts.empty()) {
        list.status = MxList::Status::found;
        list.has_this_host = we_are_listed;
        return list;
    }
    if (!temporary_why.empty()) return failure(MxList::Status::temporary, temporary_why);
    if (we_are_listed) return loops_back(domain);
    return failure(MxList::Status::no_host, no_host_why);
}

MxList hosts_of_mx(const Resolver& resolver, const std::string& domain, MxLookup mx, const Ourselves& us) {
    // RFC 7505 section 3: a null MX stands alone; beside others it means nothing.
    std::erase_if(mx.records, [](const MxRecord& record) { return record.host.empty(); });
    if (mx.records.empty())
        return failure(MxList::Status::null_mx, fmt::format("{} takes no mail (null MX)", printable(domain)));
    return hosts_of(resolver, domain, std::move(mx), us);
}

// `is_confirmed`: DNSSEC says that there are no MX records.
MxList hosts_without_mx(const Resolver& resolver, const std::string& domain, const Ourselves& us,
                        bool is_confirmed) {
    auto lookup = resolver.addresses(domain);
    if (lookup.status == DnsStatus::found) return single_host(domain, std::move(lookup), us, is_confirmed);
    if (lookup.status == DnsStatus::temporary) return failure(MxList::Status::temporary, lookup.why);
    // Only a name that has nothing itself: RFC 5321 section 5.1 gives its own address the right of way. A
    // name that does not exist has nothing below it either (RFC 8020).
    if (lookup.status == DnsStatus::no_data) {
        auto wildcard = resolver.mx("*." + domain);
        if (wildcard.status == DnsStatus::found)
            return hosts_of_mx(resolver, domain, std::move(wildcard), us);
        if (wildcard.status == DnsStatus::temporary) return failure(MxList::Status::temporary, wildcard.why);
    }
    return failure(MxList::Status::no_host, fmt::format("{} has neither MX nor address", printable(domain)));
}

}  // namespace

MxList find_mail_hosts(const Resolver& resolver, const std::string& domain, const std::string& own_name,
                       const std::vector<IpAddress>& own_addresses) {
    const Ourselves us{normalized_name(own_name), own_addresses};
    if (domain.starts_with('[')) {
        const auto address = IpAddress::parse_literal(domain);
        if (address) return single_host(domain, {DnsStatus::found, {*address}, {}}, us, false);
        return failure(MxList::Status::no_host,
                       fmt::format("{} is not an address literal", printable(domain)));
    }
    const std::string name = normalized_name(domain);
    auto mx = resolver.mx(name);
    switch (mx.status) {
        case DnsStatus::found:
            return hosts_of_mx(resolver, name, std::move(mx), us);
        case DnsStatus::no_data:
            return hosts_without_mx(resolver, name, us, mx.is_secure);
        case DnsStatus::no_name: {
            // Small networks name their machines in the hosts file alone.
            auto listed = resolver.listed_addresses(name);
            if (listed.status == DnsStatus::found) return single_host(name, std::move(listed), us, false);
            return failure(MxList::Status::no_host, mx.why);
        }
        case DnsStatus::temporary:
            break;
    }
    return failure(MxList::Status::temporary, mx.why);
}

}  // namespace postoffice
