// The policies of MTA-STS that are known here: a small text file for each domain, below the spool. They
// survive a restart, so that a domain is protected also when its records cannot be seen (RFC 8461
// section 10.2).
#pragma once

#include <optional>
#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/outbound/sts_policy.h"

namespace postoffice {

struct StsCacheEntry {
    std::string id{};      ///< of the record that announced the policy; empty: none was fetched yet
    UnixTime fetched = 0;  ///< when the policy was
    UnixTime failed = 0;   ///< when it was tried last in vain; 0: not since
    std::string policy{};  ///< as the web server has it
    bool operator==(const StsCacheEntry&) const = default;

    /// The policy, if it holds at this time. A clock that went back does not prolong it.
    std::optional<StsPolicy> valid_policy(UnixTime now) const;
};

class StsCache {
  public:
    /// `folder` is made when the first policy is stored.
    explicit StsCache(std::string folder) : folder_(std::move(folder)) {}

    /// `domain`: A-labels, lower case. nullopt: there is none, or what is there is damaged. Does not throw.
    std::optional<StsCacheEntry> find(const std::string& domain) const;
    /// In place of the one before, as a whole: a reader sees the old one or the new one. Throws
    /// std::system_error.
    void store(const std::string& domain, const StsCacheEntry& entry) const;
    /// Removes the entries that are of no more use: no policy of theirs holds, and it was not fetched, nor
    /// tried to be, for a day. Also what a crash left of a store(). Throws std::system_error.
    void remove_expired(UnixTime now) const;

  private:
    std::string folder_;
};

}  // namespace postoffice
