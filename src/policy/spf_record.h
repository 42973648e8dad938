// The text of an SPF record as a value. RFC 7208 sections 4.5, 4.6.1, 5, 6 and 12.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/ip_address.h"
#include "postoffice/base/result.h"
#include "postoffice/policy/spf.h"

namespace postoffice {

/// A mechanism and what follows if it matches.
struct SpfTerm {
    enum class Kind : std::uint8_t { all, include, a, mx, ptr, ip4, ip6, exists } kind = Kind::all;
    SpfResult result = SpfResult::pass;
    std::string domain;     ///< include, a, mx, ptr, exists: with its macros; "" = the domain of the record
    IpAddress network;      ///< ip4, ip6
    unsigned bits_v4 = 32;  ///< ip4, a, mx: of an IPv4 address that count
    unsigned bits_v6 = 128;
    std::string text;  ///< as it stands in the record
};

struct SpfRecord {
    std::vector<SpfTerm> terms;
    std::string redirect;  ///< with its macros; "" = none, or without effect beside `all` (section 6.1)
};

/// The TXT record is meant as one of SPF, whatever else is wrong with it (section 4.5).
bool is_spf_record(std::string_view text);

/// A mistake anywhere in it is a mistake of the whole (section 4.6).
Result<SpfRecord> parse_spf_record(std::string_view text);

}  // namespace postoffice
