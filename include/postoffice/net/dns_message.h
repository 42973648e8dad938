// DNS messages as values: questions to octets, octets to answers. Pure functions without sockets; whatever
// the octets are, nothing outside them is read and the work is bounded by their number. RFC 1035 section 4
// (wire format), RFC 3596 (AAAA), RFC 6698 (TLSA), RFC 6840 section 5.7 (AD in questions), RFC 6891 (EDNS0).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/ip_address.h"

namespace postoffice {

/// Record types that mail needs; a message may hold any other number.
enum class DnsType : std::uint16_t {
    a = 1,
    ns = 2,
    cname = 5,
    soa = 6,
    ptr = 12,
    mx = 15,
    txt = 16,
    aaaa = 28,
    opt = 41,
    tlsa = 52
};

/// "MX", "AAAA"; "TYPE257" (RFC 3597) for the ones without a name here.
std::string to_string(DnsType type);

/// Response codes, with the upper bits that EDNS0 adds.
enum class DnsCode : std::uint16_t {
    no_error = 0,
    format_error = 1,
    server_failure = 2,
    no_such_name = 3,
    not_implemented = 4,
    refused = 5,
    bad_version = 16,
};

/// "SERVFAIL", "NXDOMAIN"; "RCODE9" for the ones without a name here.
std::string to_string(DnsCode code);

/// Domain names in messages are lower case, without final dot ("" is the root); octets that cannot stand in
/// a host name for themselves are written \DDD (RFC 1035 section 5.1), so that no two names look the same.
struct DnsQuestion {
    std::string name;
    DnsType type = DnsType::a;
    bool operator==(const DnsQuestion&) const = default;
};

/// One record of the answer section. Records of types and classes not asked for here are left out.
struct DnsRecord {
    std::string owner;
    DnsType type = DnsType::a;
    IpAddress address;             ///< A, AAAA
    std::string target;            ///< CNAME, PTR, MX; "" = the root
    std::uint16_t preference = 0;  ///< MX
    std::string text;  ///< TXT: its strings joined (RFC 7208 section 3.3); TLSA: its data; any octets
};

struct DnsMessage {
    std::uint16_t id = 0;
    bool is_response = false;
    bool is_authoritative = false;
    bool is_authentic = false;  ///< AD: the server has validated the answer (RFC 4035 section 3.2.3)
    bool is_truncated = false;  ///< the records below are not there: ask again by TCP
    DnsCode code = DnsCode::no_error;
    std::optional<DnsQuestion> question;  ///< class IN; not there if the message has none
    std::vector<DnsRecord> answers;
    bool has_soa = false;  ///< in the authority section: the end of a negative answer (RFC 2308)
    bool has_ns = false;   ///< in the authority section: without answers and SOA, a referral
};

/// Without the final dot and in lower case.
std::string normalized_name(std::string_view name);

/// The octets of a standard recursive query; `with_edns` offers answers larger than 512 octets.
/// nullopt if the name is none: empty, a label that is empty or longer than 63 octets, more than 255 octets,
/// or octets that are not printable ASCII.
std::optional<std::string> encode_query(std::uint16_t id, const DnsQuestion& question, bool with_edns);

/// nullopt unless every record counted in the header is there and well formed; octets after them are ignored.
std::optional<DnsMessage> decode_message(std::string_view octets);

}  // namespace postoffice
