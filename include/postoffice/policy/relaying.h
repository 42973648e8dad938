// Who may send through this host to others: RFC 5321 section 3.6.2, postoffice.cf(5) "Who may send here".
#pragma once

#include <optional>
#include <string_view>

#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/reply.h"

namespace postoffice {

/// Why a client that is none of ours may not send to this address; nothing if it is in a domain of ours, or
/// everybody may send anywhere. `client`: as it is called in the answer.
std::optional<Reply> refuse_relaying(const Config& config, const Address& address, std::string_view client);

}  // namespace postoffice
