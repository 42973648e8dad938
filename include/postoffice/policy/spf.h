// Sender Policy Framework: whether the owner of a domain says in DNS that a client may send its mail. RFC
// 7208. Explanations (exp=) are checked as syntax and not fetched, since no client is refused for what is
// found here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "postoffice/base/ip_address.h"
#include "postoffice/mail/address.h"
#include "postoffice/net/resolver.h"

namespace postoffice {

/// RFC 7208 section 2.6.
enum class SpfResult : std::uint8_t { none, neutral, pass, fail, softfail, temperror, permerror };

/// "pass", "softfail", "temperror".
std::string_view to_string(SpfResult result);

/// The client, and the names that it sends under.
struct SpfClaim {
    IpAddress client;
    Address sender;    ///< <> counts as postmaster of `helo` (section 2.4)
    std::string helo;  ///< as the client said it
};

struct SpfVerdict {
    SpfResult result = SpfResult::none;
    /// For people: the term that decided, and its domain; what is wrong with a record; printable.
    std::string why;
    /// It passes by a term that fits the whole Internet, or a large part of it, so that it tells nothing of
    /// the client: "+all", "ip4:0.0.0.0/1".
    bool passes_everybody = false;
};

/// What DNS has of a name: Resolver::records(), or what a test makes up.
using SpfDns = std::function<RecordLookup(const std::string& name, DnsType type)>;

/// check_host() of section 4. At most ten terms ask DNS, and two of them for nothing (section 4.6.4), so
/// there are never more than a hundred or so questions. Throws what `dns` throws.
SpfVerdict check_spf(const SpfDns& dns, const SpfClaim& claim);

/// The same, within 20 seconds (section 4.6.4), or what the resolver has left of its time, if that is less;
/// what is not known by then is a temperror.
SpfVerdict check_spf(const Resolver& resolver, const SpfClaim& claim);

}  // namespace postoffice
