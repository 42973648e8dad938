// MTA-STS (RFC 8461) as a source of TLS policies: asks DNS whether a domain announces a policy, has it
// fetched when it is new, and remembers it. A policy that cannot be had is none (section 3.3), but one that
// is known holds for its max_age, whatever DNS and the web server say meanwhile.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/base/result.h"
#include "postoffice/net/resolver.h"
#include "postoffice/outbound/sts_cache.h"
#include "postoffice/outbound/tls_policy.h"

namespace postoffice {

class StsSource : public TlsPolicySource {
  public:
    /// The TXT records of a name.
    using Ask = std::function<RecordLookup(const std::string& name)>;
    /// The text of the policy of a domain.
    using Fetch = std::function<Result<std::string>(const std::string& domain)>;

    StsSource(StsCache cache, Ask ask, Fetch fetch)
        : cache_(std::move(cache)), ask_(std::move(ask)), fetch_(std::move(fetch)) {}

    /// Of the domain itself, not of its parents. nullopt also for an address literal. Does not throw for what
    /// other hosts do.
    std::optional<TlsPolicy> policy_for(const std::string& next_hop) override;

    /// A policy that could not be fetched is not tried again so soon (section 3.3).
    static constexpr UnixTime pause = 300;  ///< seconds
    /// An answer is used again for so long without a question to DNS.
    static constexpr Seconds fresh{60};

  private:
    /// The last answer: an agent sends to one domain, message after message.
    struct Known {
        std::string domain;
        std::optional<TlsPolicy> policy;
        Stopwatch since{};
    };
    std::optional<TlsPolicy> find(const std::string& domain);
    void renew(const std::string& domain, StsCacheEntry& entry, const std::string& id) const;
    std::string announced_id(const std::string& domain) const;

    StsCache cache_;
    Ask ask_;
    Fetch fetch_;
    std::optional<Known> known_;
};

}  // namespace postoffice
