// The text of messages, out of a mailbox and into another one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "mailbox_parser.h"
#include "postoffice/mail/header.h"

namespace postoffice {

/// Gives the message to `sink` piece by piece, without what the mailbox adds to its lines, and with a line
/// end behind the last one; until all is read or `sink` returns false. Throws std::system_error (EIO if the
/// file ends before the message does).
void read_message(int file, const MailboxForm& form, const MessagePlace& place,
                  const std::function<bool(std::string_view)>& sink);

/// The facts of the message as it is now. Throws std::system_error.
MessageFacts read_facts(int file, const MailboxForm& form, const MessagePlace& place);

/// The header of `text` with "Status: RO" in place of its Status fields (RFC 2076 section 3.13), the others
/// as they are. nullopt if that is its status, or if `text` does not have the whole header.
std::optional<ReplacedHeader> with_read_status(std::string_view text);

}  // namespace postoffice
