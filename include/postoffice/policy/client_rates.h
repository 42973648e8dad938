// How much one client may do in some time: rate-connections, rate-messages and rate-recipients of
// postoffice.cf(5). What is refused is not counted, so a client that goes on trying gets its share.
#pragma once

#include <optional>
#include <string>

#include "postoffice/base/ip_address.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/reply.h"
#include "postoffice/policy/rate_table.h"

namespace postoffice {

/// A client that is counted.
struct RatedClient {
    IpAddress address;
    std::string user;        ///< the name it has logged in with; empty: none, then the address counts
    bool is_exempt = false;  ///< this host, trusted hosts
};

/// What can be known before anything is asked: loopback, or listed by address in `trusted=`.
bool is_exempt_address(const AccessConfig& access, const IpAddress& address);

/// Each counts one and returns nothing, or counts nothing and returns a refusal. `rates` may be null.
std::optional<Reply> count_connection(const LimitsConfig& limits, RateTable* rates,
                                      const RatedClient& client);
std::optional<Reply> count_message(const LimitsConfig& limits, RateTable* rates, const RatedClient& client);
std::optional<Reply> count_recipient(const LimitsConfig& limits, RateTable* rates, const RatedClient& client);

/// By what this client is counted: its user, else its network.
std::string counted_as(const RatedClient& client);

/// By what a RateTable knows that a user has fetched mail from this address (pop-before-smtp).
std::string fetched_mail_key(const IpAddress& address);

/// The part of an address that one client has for itself: all of IPv4, the first 64 bits of IPv6.
std::string rated_network(const IpAddress& address);

}  // namespace postoffice
