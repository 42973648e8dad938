// Forwards mail, and recognizes it when it comes back: by the field Delivered-To (RFC 9228) of the address
// that forwarded it.
//
// What a delivery file with branches forwards is submitted with our own sendmail and the rights of the user,
// and is durable when forward_message() returns. Everything else that leads elsewhere is in the queue under
// the address that it leads to, and gets its field on the way out.
#pragma once

#include <string>
#include <vector>

#include "postoffice/base/accounts.h"
#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/mail/envelope.h"

namespace postoffice {

struct ForwardedBy {
    const Config& config;
    const std::string& sender;     ///< stays the envelope sender; empty for <>
    const std::string& recipient;  ///< for the Delivered-To field by which a loop is known
    const Account& account;
};

/// A file of this process's own, for programs that it runs: `prefix`, and then the message as it is. Throws
/// std::system_error.
Fd copy_of_message(const std::string& prefix, int message);

/// `message`: a regular file. Throws std::system_error if sendmail cannot be started.
DeliveryResult forward_message(const ForwardedBy& by, const std::vector<Address>& to, int message,
                               const Deadline& deadline);

/// True if the header has "Delivered-To: recipient": the message has been here before (RFC 9228).
bool was_delivered_to(int message, const std::string& recipient);

}  // namespace postoffice
