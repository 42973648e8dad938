// The words that lines of a journal are made of: what clients chose, escaped, and recipients. For journal.cc
// and journal_event.cc; spool(5) has the format.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "postoffice/mail/envelope.h"

namespace postoffice {

/// One line, whatever the text holds; also escapes the octets in `special`.
std::string escaped(std::string_view text, std::string_view special = "");
/// Undoes escaped(); a backslash that it would not have written stays what it is.
std::string unescaped(std::string_view text);

/// "<local@domain>". The local part is written bare, not quoted: what a quoted string would protect is
/// escaped.
std::string address_text(const Address& address);
/// Takes an address_text() off the front; nullopt if there is none.
std::optional<Address> take_address(std::string_view& text);

/// A recipient, "remote <carol@c.test> for <list@b.test>", and what parse_destination() makes of it again;
/// nullopt if it cannot be understood.
std::string destination_text(const Recipient& recipient);
std::optional<Recipient> parse_destination(std::string_view text);

}  // namespace postoffice
