// The hosts to try for a next hop: names and addresses, in order. RFC 5321 section 5.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "postoffice/config/config.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/net/mx.h"
#include "postoffice/net/resolver.h"
#include "postoffice/routing/next_hop.h"

namespace postoffice {

/// A host that takes mail, and how to reach it.
struct TargetHost {
    MailHost host;  ///< without addresses if there is a socket
    std::uint16_t port = 0;
    /// What policies know it by: the domain of the recipient, or the name of the relay host.
    std::string next_hop = "";
    std::optional<RelayHost> relay = {};  ///< that the configuration names, in its words
    bool speaks_lmtp = false;             ///< RFC 2033
    std::string socket = "";              ///< the path of an LMTP server's socket
};

struct TargetHosts {
    std::vector<TargetHost> hosts;  ///< in the order to try them
    DeliveryResult result = {};     ///< what becomes of the mail if there are none
};

/// Questions to DNS for one next hop: the MX records, and two kinds of address of the hosts that are looked
/// up at most (20), unless they are behind CNAMEs.
inline constexpr unsigned most_target_questions = 41;

/// For the questions about one next hop, or about the TLSA records of all its hosts: ends after
/// Config::remote.lookup_timeout, and believes in DNSSEC what Config::network.dnssec says.
Resolver bounded_resolver(const Config& config, const Resolver& resolver);

/// Asks DNS, for Config::remote.lookup_timeout at most. What is wrong with a relay that the configuration
/// names is never the sender's fault: mail waits. Throws std::system_error.
TargetHosts find_target_hosts(const Config& config, const Resolver& resolver, const NextHop& next_hop);

}  // namespace postoffice
