// The checks of `verify-from` and `nodaemon` on the address in MAIL. For strangers alone: a trusted client,
// or one that has logged in, may give any address.
#pragma once

#include <optional>

#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/reply.h"
#include "postoffice/net/resolver.h"

namespace postoffice {

/// A sender that no report could be sent to is refused (553 5.1.8; with a null MX 550 5.7.27, RFC 7505), and
/// so is one of our own domains (550 5.7.1). 451 while DNS does not tell. The null path is fine here. Throws
/// std::system_error.
std::optional<Reply> check_sender(const Config& config, const Resolver& resolver, const Address& sender);

/// With `nodaemon`, the answer to DATA after MAIL FROM:<>. MAIL and RCPT are answered as ever, for hosts
/// that only ask whether an address exists.
std::optional<Reply> check_daemon(const Config& config, const Address& sender);

}  // namespace postoffice
