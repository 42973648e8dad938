// Which clients may relay through this host: RFC 5321 section 3.6.2, "Which clients may send" in
// postoffice.cf(5).
#pragma once

#include <string_view>

#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/reply.h"

namespace postoffice {

/// Whether only clients of ours may send to this address: it is in no domain of ours, and `relay` is off.
bool requires_relay_permission(const Config& config, const Address& address);
/// The answer to all others. `client`: as it is called in the answer.
Reply relaying_denied(const Config& config, const Address& address, std::string_view client);

/// A sender or recipient is not taken, for good, however well its command was written.
inline bool refuses_address(const Reply& reply) {
    return reply.code >= 550 && reply.code <= 554;
}

/// With hide-recipients a stranger hears of a name that does not exist only from refused_with_message(), in
/// answer to the message; what policy denies (5.7.X), such as relaying, is told in any case.
bool hides_refusal(const Config& config, const Reply& reply);
inline Reply refused_with_message() {
    return {550, "5.1.1", "A recipient is unknown here: nobody gets this message"};
}

}  // namespace postoffice
