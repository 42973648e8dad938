// Sends a message on in a user's name: what a delivery file with branches forwards is submitted with our own
// sendmail, as the user could do it himself, and is durable when this returns.
#pragma once

#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/privileges.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/delivery_result.h"

namespace postoffice {

struct ForwardedBy {
    const Config& config;
    const std::string& sender;     ///< stays the envelope sender; empty for <>
    const std::string& recipient;  ///< for the Delivered-To field by which a loop is known
    const Account& account;
};

/// `message`: a regular file. Throws std::system_error if sendmail cannot be started.
DeliveryResult forward_message(const ForwardedBy& by, const std::vector<Address>& to, int message,
                               const Deadline& deadline);

/// True if the header has "Delivered-To: recipient": the message has been here before (RFC 9228).
bool was_delivered_to(int message, const std::string& recipient);

}  // namespace postoffice
