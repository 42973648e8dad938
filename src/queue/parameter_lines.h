// The lines of MailParameters in a text file of the queue: "body:", "header:", "return:", "envid:",
// "deliver-by:", "release:" and "priority:". Journals and drops have them; spool(5).
#pragma once

#include <string>
#include <string_view>

#include "postoffice/mail/envelope.h"

namespace postoffice {

std::string parameter_lines(const MailParameters& parameters);
/// Takes in one such line; false if it is none of them, or has no such value.
bool read_parameter_line(std::string_view key, std::string_view value, MailParameters& parameters);

}  // namespace postoffice
