// Audit records, mailaudit(5): what clients of SMTP and POP3 say and what they are answered, a line for each
// command. What may be a secret is never in them, nor what is no command: a client out of step may send a
// password as one.
#pragma once

#include <string>
#include <string_view>

#include "postoffice/base/shared_flag.h"
#include "postoffice/config/config.h"

namespace postoffice {

/// In place of the code of a reply.
inline constexpr std::string_view audit_lost = "499";   ///< the dialogue broke off
inline constexpr std::string_view audit_ended = "599";  ///< it was ended here, without QUIT

/// `by_signal`: the master's switch; null: as the configuration has it.
bool is_audited(const Config& config, const SharedFlag* by_signal);

/// "AUDIT:secs:ip:CMD:code:info". `address`: empty for standard input.
void write_audit_record(std::string_view address, std::string_view command, std::string_view code,
                        std::string_view info);

/// What may be told of the argument of AUTH: the mechanism, or nothing.
std::string audited_mechanism(std::string_view argument);

}  // namespace postoffice
