// authexpire --explain: what the greylist knows of a key, or makes of a message, in words. Nothing is changed
// by asking.
#pragma once

#include <string>

#include "postoffice/base/ip_address.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"

namespace postoffice {

/// Printed to standard output; returns the exit status: EX_UNAVAILABLE for a key that is not there. Throws as
/// GreylistStore does.
int explain_greylist_key(const Config& config, const std::string& key);

/// Of mail that this client would bring from this sender: what is known of either, what the sender's domain
/// says of the client, and what would become of the mail now. Asks DNS.
int explain_greylist_mail(const Config& config, const Address& sender, const IpAddress& client);

}  // namespace postoffice
