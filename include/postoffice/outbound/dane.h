// The TLSA records of a mail host: RFC 7672 section 2.2.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "postoffice/net/mx.h"
#include "postoffice/net/resolver.h"
#include "postoffice/net/tls_client.h"

namespace postoffice {

struct DaneRecords {
    enum class Status {
        none,   ///< DANE does not apply: the host, or its lack of TLSA records, is not signed or confirmed
        found,  ///< there are records, usable or not
        temporary,  ///< they exist or not, and DNS does not say: the host must not be used now
    } status = Status::none;
    std::vector<TlsaRecord> records{};
    std::string base{};  ///< TLSA base domain: the host, or the name that its CNAMEs lead to
    std::string why{};   ///< for people; set unless found
};

/// Asks for TLSA records below a host that DNSSEC confirms, and its addresses, only: old name servers fail on
/// such questions. Five questions at most, unless there are more CNAMEs. Does not throw, but as the resolver
/// does.
DaneRecords find_dane_records(const Resolver& resolver, const MailHost& host, std::uint16_t port);

}  // namespace postoffice
