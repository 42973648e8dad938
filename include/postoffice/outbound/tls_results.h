// What TLS came to with the mail hosts of other domains: queue agents count it, in a file for each day below
// the spool, of which reports are made when the day is over. RFC 8460 section 4.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/outbound/dane.h"
#include "postoffice/outbound/tls_policy_table.h"

namespace postoffice {

/// The outcome of connections that are alike.
struct TlsResult {
    std::string domain;                       ///< of the recipients, lower case
    std::string policy_type;                  ///< "tlsa", "sts" or "no-policy-found"
    std::vector<std::string> policy{};        ///< its TLSA records, or the lines of its policy file
    std::vector<std::string> mx_patterns{};   ///< of MTA-STS
    std::string failure{};                    ///< result type of section 4.3; empty: none
    std::string host{}, address{}, source{};  ///< of the connection that failed; may be empty
    auto operator<=>(const TlsResult&) const = default;
};

/// A success with a host of the domain, under the policy that counts for it.
TlsResult tls_result_under(const std::string& domain, const TlsPolicy& policy, const DaneRecords& dane);

using TlsCounts = std::map<TlsResult, std::uint64_t>;

class TlsResults {
  public:
    /// `folder` is made when the first results are written.
    explicit TlsResults(std::string folder) : folder_(std::move(folder)) {}

    /// Remembers one more connection.
    void note(TlsResult result);
    /// Appends what was noted to the file of the day, and forgets it. Does not throw: what is wrong is
    /// logged, and the results are lost.
    void write();

  private:
    std::string folder_;
    TlsCounts counts_;
};

/// A day of which there are results.
struct TlsResultDay {
    UnixTime begin = 0;
    std::string file;
};
/// The days in the folder, in no order; none if there is no folder. Does not throw.
std::vector<TlsResultDay> days_of_tls_results(const std::string& folder);
/// What is in a file of results. Damaged lines are left out. Throws std::system_error.
TlsCounts read_tls_results(const std::string& file);

}  // namespace postoffice
