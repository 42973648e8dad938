// Which TLS mail to a destination needs, and what that means at each of its hosts. The level comes from the
// first of these that names the destination: the table remote-tls-policy=, each source that was added (as
// MTA-STS), the option remote-tls=. RFC 3207, RFC 7435 (opportunistic), RFC 7672 (DANE), RFC 9525 (names).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "postoffice/base/result.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/net/mx.h"
#include "postoffice/net/tls_client.h"
#include "postoffice/outbound/dane.h"
#include "postoffice/outbound/tls_policy_table.h"
#include "postoffice/smtp/client/client_tls.h"

namespace postoffice {

/// Asked for destinations that the table does not have.
class TlsPolicySource {
  public:
    virtual ~TlsPolicySource() = default;
    /// `next_hop`: lower-case domain or address literal, or the name of a relay host. nullopt: this source
    /// has no policy for it. Throws FormatError where the source cannot be used: then mail waits.
    virtual std::optional<TlsPolicy> policy_for(const std::string& next_hop) = 0;
};

class TlsPolicies {
  public:
    /// Keeps the reference.
    explicit TlsPolicies(const Config& config);
    /// The new source is asked after those that are there. Keeps the reference.
    void add(TlsPolicySource& source) { sources_.push_back(&source); }

    /// For a message of which the sender wants this of TLS. As things are now: the table is read again if it
    /// has changed. Throws FormatError: a table or source cannot be used.
    TlsPolicy policy_for(const std::string& next_hop, TlsWish wish = TlsWish::none);
    /// True if tls_for() needs to know the TLSA records of the host.
    static bool needs_dane_records(const TlsPolicy& policy);
    /// What the policy means at one host of the destination; a problem if mail must not be sent to it at all.
    /// The value is good for as long as this object. Throws as TlsClient::context_for().
    Result<ClientTls> tls_for(const TlsPolicy& policy, const std::string& next_hop, const MailHost& host,
                              const DaneRecords& dane = {});

  private:
    TlsPolicy general_policy(const std::string& next_hop, TlsWish wish);
    Result<ClientTls> tls_by_dane(const TlsPolicy& policy, const std::string& next_hop, const MailHost& host,
                                  const DaneRecords& dane);

    const Config& config_;
    TlsPolicyTable table_;
    std::vector<TlsPolicySource*> sources_;
    TlsClient client_;
};

/// RFC 8461 section 4.1: `pattern` is a host name, or "*.example.org" for the names one label below it. Both
/// in lower case.
bool matches_mx_pattern(const std::string& host, const std::string& pattern);

}  // namespace postoffice
