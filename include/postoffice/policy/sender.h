// Whom mail may be from: what `verify-from` and `nodaemon` have against the address in MAIL. Asked for
// strangers alone; who is ours or has proved who he is may write what he likes.
#pragma once

#include <optional>

#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/reply.h"
#include "postoffice/net/resolver.h"

namespace postoffice {

/// A sender to whom no report could be sent is refused (553 5.1.8; with a null MX 550 5.7.27, RFC 7505), and
/// so is one of our own domains (550 5.7.1). 451 while DNS does not tell. The null path is fine here. Throws
/// std::system_error.
std::optional<Reply> check_sender(const Config& config, const Resolver& resolver, const Address& sender);

/// With `nodaemon`, the answer to DATA after MAIL FROM:<>. MAIL and RCPT are answered as ever, which is what
/// those want to hear who ask whether an address exists.
std::optional<Reply> check_daemon(const Config& config, const Address& sender);

}  // namespace postoffice
