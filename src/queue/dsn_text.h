// What both parts of a delivery status notification say of a recipient, and the part for people.
#pragma once

#include <string>
#include <string_view>

#include "postoffice/queue/dsn.h"

namespace postoffice {

/// What of the message goes back with the report.
struct ReturnedMessage {
    bool is_readable = false;
    bool is_whole = false;
    std::string text;  ///< all of it, or its header
};

/// What the report as a whole is about: "delivered" only if that is true of all.
DsnAction main_action(const DsnRequest& request);

/// Where the mail went, as far as the reader of the report may know it (RFC 3464 section 4.2): what stands in
/// a user's own file is not disclosed to the sender.
const Address& final_address(const Recipient& recipient);

/// What the remote host said; of a message that was given up, at the last attempt. Where the address is not
/// disclosed, only the status: the text can name it.
std::string remote_words(const Recipient& recipient, const RecipientState& state);

/// As text_line(), in ASCII: '?' for the rest.
std::string ascii_line(std::string_view text);

std::string subject_of(const DsnRequest& request);

/// The part for people.
std::string human_part(const Journal& journal, const DsnRequest& request, const ReturnedMessage& returned);

}  // namespace postoffice
