// Who may send through this host to others: RFC 5321 section 3.6.2, postoffice.cf(5) "Who may send here".
#pragma once

#include <string_view>

#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/reply.h"

namespace postoffice {

/// Whether only clients of ours may send to this address: it is in no domain of ours, and `relay` is off.
bool is_for_known_clients(const Config& config, const Address& address);
/// What everybody else hears. `client`: as it is called in the answer.
Reply relaying_denied(const Config& config, const Address& address, std::string_view client);

}  // namespace postoffice
