// What the values in tables of routes= and sender-relay= say: those of Postfix's transport(5), and of its
// sender_dependent_relayhost_maps.
#pragma once

#include <optional>
#include <string_view>

#include "postoffice/base/result.h"
#include "postoffice/routing/next_hop.h"

namespace postoffice {

/// "smtp:", "smtp:HOST,[HOST]:PORT", "[HOST]:PORT", "lmtp:unix:/PATH", "lmtp:HOST:PORT", "discard:",
/// "error:550 5.1.2 TEXT", "retry:TEXT". NextHop::MailHosts without a domain stands for those of the
/// recipient's domain, also for an empty value. nullopt for ":", which is as good as no entry.
Result<std::optional<NextHop>> parse_route_value(std::string_view value);

/// Relays, separated by commas or blanks: "HOST" for its mail hosts (RFC 5321 section 5.1), "[HOST]" for its
/// addresses, each with ":PORT" or not. nullopt for "DUNNO", which is as good as no entry.
Result<std::optional<NextHop>> parse_sender_relay_value(std::string_view value);

}  // namespace postoffice
