// What becomes of a message that could not be sent to some or all recipients: a report to the sender, or a
// copy in the home of the submitter.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "postoffice/mail/address.h"

namespace postoffice {

// A message is given as a descriptor open for reading; its position does not matter.

/// Submits a report to `sender`, from the null sender, with the reasons and the message; without one if
/// `original` is negative. Returns its id. Throws std::system_error.
std::string mail_error_report(const std::string& drop_directory, const std::string& hostname,
                              const Address& sender, const std::vector<std::string>& reasons, int original);

/// Appends the message to `home`/dead.letter as this process's user. nullopt if home or file belong to
/// another user, or it cannot be written; otherwise its path.
std::optional<std::string> save_dead_letter(const std::string& home, const Address& sender, int message);

}  // namespace postoffice
