// Our resolver: questions and answers over UDP and TCP, with random ids and ports, several servers and
// deadlines. Answers are outcomes; only a broken resolv.conf or lack of memory throws.
// RFC 1035, 2181, 2308 (negative answers), 3596 (AAAA), 5452 (forgery), 6891 (EDNS0).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/net/ip_address.h"

namespace postoffice {

enum class DnsStatus {
    found,
    no_data,    ///< the name exists, but has no such record (or only a null MX)
    no_name,    ///< the name does not exist (NXDOMAIN)
    temporary,  ///< no usable answer in time, SERVFAIL, CNAME loop: ask again later
};

struct AddressLookup {
    DnsStatus status = DnsStatus::temporary;
    std::vector<IpAddress> addresses;  ///< IPv6 and IPv4, in the order to try
    std::string why;                   ///< for people; set unless found
};

struct NameLookup {
    DnsStatus status = DnsStatus::temporary;
    std::vector<std::string> names;  ///< lower case, without final dot
    std::string why;
};

struct MxRecord {
    std::uint16_t preference = 0;
    std::string host;  ///< lower case, without final dot; "" for a null MX (RFC 7505)
};

struct MxLookup {
    DnsStatus status = DnsStatus::temporary;
    std::vector<MxRecord> records;  ///< as answered, unsorted
    std::string why;
};

struct ResolverSettings {
    std::vector<Endpoint> servers;          ///< asked in order; never empty
    Milliseconds timeout{5000};             ///< for one server, one try
    int attempts = 2;                       ///< rounds over all servers
    std::string hosts_file = "/etc/hosts";  ///< for addresses() and names(), before DNS; empty = not used

    /// From Config::nameservers, or from /etc/resolv.conf (127.0.0.1 if that names none).
    /// Throws FormatError for an address that does not parse.
    static ResolverSettings from(const std::vector<std::string>& nameservers);
};

class Resolver {
  public:
    explicit Resolver(ResolverSettings settings);
    AddressLookup addresses(const std::string& host) const;
    MxLookup mx(const std::string& domain) const;
    /// PTR names of an address.
    NameLookup names(const IpAddress& address) const;

  private:
    ResolverSettings settings_;
};

}  // namespace postoffice
