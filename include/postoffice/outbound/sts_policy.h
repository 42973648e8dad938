// What a domain says by MTA-STS (RFC 8461) of its mail hosts: their names, and whether they must have TLS
// with a certificate that is good for their name. Pure functions on text from strangers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/result.h"

namespace postoffice {

struct StsPolicy {
    enum class Mode {
        none,     ///< the domain has no policy, or no longer
        testing,  ///< mail is sent whatever the host has; what enforce would refuse is only reported
        enforce,  ///< no mail to hosts of other names, nor to hosts without TLS and a good certificate
    } mode = Mode::none;
    std::vector<std::string> hosts;  ///< patterns: see matches_mx_pattern() in tls_policy.h
    Seconds max_age{};               ///< for which it holds after it was fetched; a year at most
};

inline constexpr std::size_t longest_sts_policy = 64 * 1024;  ///< octets (section 3.3)

/// `text`: of the file mta-sts.txt, section 3.2.
Result<StsPolicy> parse_sts_policy(std::string_view text);

/// The id that the records of _mta-sts.DOMAIN give (section 3.1), at most 32 octets; "" if they do not
/// announce a policy: none of them begins with "v=STSv1", several do, or the one that does is malformed.
std::string sts_policy_id(const std::vector<std::string>& records);

}  // namespace postoffice
