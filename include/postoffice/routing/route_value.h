// What the values in tables of routes= and sender-relay= say: those of Postfix's transport(5), and of its
// sender_dependent_relayhost_maps.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "postoffice/base/result.h"
#include "postoffice/config/value_types.h"
#include "postoffice/routing/next_hop.h"

namespace postoffice {

/// "smtp:", "smtp:HOST,[HOST]:PORT", "[HOST]:PORT", "lmtp:unix:/PATH", "lmtp:HOST:PORT", "discard:",
/// "error:550 5.1.2 TEXT", "retry:TEXT". NextHop::MailHosts without a domain stands for those of the
/// recipient's domain, also for an empty value. A name in `transports` stands for "smtp". nullopt for ":",
/// which is as good as no entry.
Result<std::optional<NextHop>> parse_route_value(std::string_view value,
                                                 std::span<const Transport> transports = {});

/// Relays, separated by commas or blanks: "HOST" for its mail hosts (RFC 5321 section 5.1), "[HOST]" for its
/// addresses, each with ":PORT" or not. A name in `transports` with ":" may stand in front; alone it is
/// NextHop::MailHosts without a domain, and leaves open which host it is. nullopt for "DUNNO", which is as
/// good as no entry.
Result<std::optional<NextHop>> parse_sender_relay_value(std::string_view value,
                                                        std::span<const Transport> transports = {});

}  // namespace postoffice
