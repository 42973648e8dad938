// Our resolver: what DNS and the hosts file say about names and addresses. Answers are outcomes; what throws
// is a broken circumstance (the hosts file cannot be read, no memory, no random numbers).
// RFC 1035, 2181, 2308 (negative answers), 3596 (AAAA), 5452 (forgery), 6761 (localhost), 6891 (EDNS0).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/net/dns_message.h"

namespace postoffice {

enum class DnsStatus {
    found,
    no_data,    ///< the name exists, but has no such record
    no_name,    ///< the name does not exist (NXDOMAIN)
    temporary,  ///< no usable answer in time, SERVFAIL, CNAME loop: ask again later
};

struct AddressLookup {
    DnsStatus status = DnsStatus::temporary;
    std::vector<IpAddress> addresses;  ///< in the order to try: IPv6, then IPv4, each as answered
    std::string why;                   ///< for people; set unless found
    bool is_secure = false;            ///< as RecordLookup has it
    std::string name{};                ///< at the end of the CNAMEs
};

struct NameLookup {
    DnsStatus status = DnsStatus::temporary;
    std::vector<std::string> names;  ///< lower case, without final dot; only what can be a host name
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
    bool is_secure = false;  ///< as RecordLookup has it
};

struct RecordLookup {
    DnsStatus status = DnsStatus::temporary;
    std::vector<DnsRecord> records;  ///< of the type asked for, at the end of the CNAMEs
    std::string why;
    /// Signed, and validated by a name server that is trusted with that, CNAMEs included. Also of records
    /// that do not exist.
    bool is_secure = false;
    std::string name{};  ///< at the end of the CNAMEs
};

/// One of several questions asked together.
struct QuickAnswer {
    DnsStatus status = DnsStatus::temporary;
    std::vector<DnsRecord> records;  ///< of the type asked for, under whatever name the answer has them
};

struct ResolverSettings {
    std::vector<Endpoint> servers;  ///< asked in order; never empty
    Milliseconds timeout{5000};     ///< for one server, one try
    int attempts = 2;               ///< rounds over all servers
    /// What the servers say of DNSSEC is believed: nothing between them and this host can change it.
    bool are_trusted = false;
    std::string hosts_file = "/etc/hosts";  ///< for addresses() and names(), before DNS; empty = not used

    /// `nameservers`, or if there are none those of resolv.conf (127.0.0.1 if that names none): its
    /// `nameserver` lines and the options `timeout` and `attempts`. The search list is not used: mail has
    /// whole names. The servers are trusted if all are on the loopback interface, or resolv.conf has the
    /// option trust-ad, as in the C library. A name server in resolv.conf that is no address is passed over,
    /// as the C library does. Throws std::system_error if resolv.conf is there and cannot be read.
    static ResolverSettings from(const std::vector<Endpoint>& nameservers,
                                 const std::string& resolv_conf = "/etc/resolv.conf");
};

/// Settings for a process that serves for long: they follow resolv.conf, since a machine that moves, or is
/// still starting, gets its name servers later. With name servers of the configuration nothing ever changes.
class ResolverSource {
  public:
    /// Keeps the reference.
    explicit ResolverSource(const std::vector<Endpoint>& nameservers,
                            std::string resolv_conf = "/etc/resolv.conf")
        : nameservers_(nameservers), resolv_conf_(std::move(resolv_conf)) {}

    /// The settings, if they may have changed since the last call; the first call always has them. Throws as
    /// ResolverSettings::from().
    std::optional<ResolverSettings> news();

  private:
    struct Stamp {
        std::uint64_t device = 0, inode = 0;
        std::int64_t size = -1;  ///< of no file
        std::int64_t seconds = 0, nanoseconds = 0;
        bool operator==(const Stamp&) const = default;
    };
    Stamp stamp() const;

    const std::vector<Endpoint>& nameservers_;
    std::string resolv_conf_;
    std::optional<Stamp> known_;
};

class Resolver {
  public:
    explicit Resolver(ResolverSettings settings) : settings_(std::move(settings)) {}
    /// As `source` has it now.
    void refresh(ResolverSource& source) {
        if (auto settings = source.news()) settings_ = *std::move(settings);
    }
    /// The same, for a client or message that waits: all lookups together end by the deadline and with
    /// `most_questions` (each step of a CNAME chain is one); what is not known by then is temporary.
    Resolver until(Deadline deadline, unsigned most_questions = no_limit) const;

    /// The same, with another word on whether its servers are trusted.
    Resolver trusting(bool servers_are_trusted) const;
    bool trusts_servers() const { return settings_.are_trusted; }

    /// From the hosts file, else from DNS. The text of an address is its own answer.
    AddressLookup addresses(const std::string& host) const;
    /// From the hosts file alone, without a question to DNS: found, or no_name.
    AddressLookup listed_addresses(const std::string& host) const;
    MxLookup mx(const std::string& domain) const;
    /// The names of an address, from the hosts file, else PTR records. It is not checked that they lead
    /// back.
    NameLookup names(const IpAddress& address) const;
    /// Records of one type, from DNS alone.
    RecordLookup records(const std::string& name, DnsType type) const;
    /// All at the same time, parallel to `questions`, and all within `patience`: the servers are asked one
    /// after the other for what is still open. For many small questions that are not worth waiting for, such
    /// as those to DNS lists.
    std::vector<QuickAnswer> ask_together(const std::vector<DnsQuestion>& questions,
                                          Milliseconds patience) const;

    static constexpr unsigned no_limit = std::numeric_limits<unsigned>::max();

  private:
    ResolverSettings settings_;
    std::optional<Deadline> deadline_;
    mutable unsigned questions_left_ = no_limit;
};

}  // namespace postoffice
