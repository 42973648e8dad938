// Audit records, mailaudit(5): what clients say and what they are answered, a line for each command. What may
// be a secret is never in them, nor what is no command: a client out of step may send a password as one.
#pragma once

#include <string>
#include <string_view>

#include "postoffice/base/text.h"

namespace postoffice {

/// For a code of which only the class is known.
inline constexpr int audit_lost = 499;   ///< the dialogue broke off
inline constexpr int audit_ended = 599;  ///< it was ended here, without QUIT

/// "AUDIT:secs:ip:CMD:code:info". `address`: empty for standard input.
void write_audit_record(std::string_view address, std::string_view command, int code, std::string_view info);

/// What may be told of a command line; `line` as the client sent it.
struct AuditedCommand {
    std::string verb;  ///< of a verb that we know, upper case; "?" for everything else
    std::string info;
    static AuditedCommand of(std::string_view line);
};

}  // namespace postoffice
