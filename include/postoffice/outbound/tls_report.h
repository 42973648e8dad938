// A report of what TLS came to with the mail hosts of one domain on one day. RFC 8460.
#pragma once

#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/mail/address.h"
#include "postoffice/outbound/tls_results.h"

namespace postoffice {

struct TlsReport {
    std::string domain;     ///< that it is for
    std::string submitter;  ///< this host
    Address contact;
    UnixTime begin = 0;  ///< of the day, which is one of UTC
    TlsCounts counts;    ///< of this domain

    /// The same for each attempt to send it.
    std::string id() const;
    /// Section 4.4.
    std::string to_json() const;
    /// "SUBMITTER!DOMAIN!BEGIN!END.json.gz": section 5.1.
    std::string file_name() const;
    /// Section 5.3, without "Subject: ".
    std::string subject() const;
};

/// The addresses for reports of a domain, from its records of _smtp._tls.DOMAIN (section 3): those of
/// mailto:. Five at most; none if several records announce them, or the one that does is malformed.
std::vector<Address> tls_report_addresses(const std::vector<std::string>& records);

}  // namespace postoffice
