// The table of remote-tls-policy=, read as text: the level of TLS that some destinations need.
// tls_policy(5)...
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/result.h"
#include "postoffice/config/text_table.h"
#include "postoffice/config/value_types.h"

namespace postoffice {

/// The TLS that mail to one destination needs.
struct TlsPolicy {
    TlsLevel level = TlsLevel::may;
    /// For verify, the names of which the certificate must have one: "hostname" (the mail host), "nexthop"
    /// (the destination), "dot-nexthop" (names below it), or the name itself, with a dot in front for names
    /// below it. Empty: hostname.
    std::vector<std::string> match{};
    std::vector<std::string> fingerprints{};  ///< as TlsPeer has them
    std::vector<std::string> mx_patterns{};   ///< of which each host must match one; empty: all hosts will do
    /// What does not agree with the policy is reported, and holds no mail up (RFC 8461 section 5).
    bool is_testing = false;
    /// A host that has TLSA records gets its mail as they say, whatever else this is (RFC 8461 section 2).
    bool prefers_dane = false;
    /// Mail goes only to hosts of which DNSSEC, MTA-STS or the configuration says that they are the right
    /// ones, and that offer REQUIRETLS (RFC 8689 section 4.2.1).
    bool passes_requiretls = false;
    std::string name{};               ///< for the log: "may", "sts"
    std::vector<std::string> text{};  ///< the lines of a policy of MTA-STS
    bool operator==(const TlsPolicy&) const = default;
};

/// "LEVEL ATTRIBUTE=VALUE ...", as a line of the table has it behind the destination.
Result<TlsPolicy> parse_tls_policy(std::string_view text);

class TlsPolicyTable {
  public:
    /// `file` may be "": then no destination has a line.
    explicit TlsPolicyTable(std::string file);

    /// The line of this destination, or else of the nearest ".parent"; read again if the file has changed.
    /// Throws FormatError "FILE:LINE: what is wrong", for a line in use or for the file.
    std::optional<TlsPolicy> find(const std::string& next_hop);

  private:
    TextTable table_;
};

/// All that is wrong with the table of remote-tls-policy=, a line each.
std::vector<std::string> problems_of_tls_policies(const std::string& file);

}  // namespace postoffice
