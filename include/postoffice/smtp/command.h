// One SMTP command line, taken apart: the verb, its argument, and ESMTP parameters. RFC 5321 section 4.1.1.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "postoffice/base/result.h"

namespace postoffice {

/// Views into the line it was parsed from.
struct Command {
    std::string_view verb;      ///< as the client wrote it: compare without case
    std::string_view argument;  ///< what follows, trimmed; may be empty
};

/// The most octets of a command line without its end. RFC 5321 section 4.5.3.1.4 asks for 512 with CRLF, and
/// for more with each extension that has parameters; real addresses and parameters fit many times over.
inline constexpr std::size_t max_command_line = 2048;

/// A verb is letters only and ends at a blank or at the end of the line. nullopt: there is no verb, or the
/// line holds NUL or another control character (a tab counts as a blank), so that it cannot be a command.
std::optional<Command> parse_command(std::string_view line);

/// "KEYWORD" or "KEYWORD=value" behind a path (RFC 5321 section 4.1.2, esmtp-param).
struct Parameter {
    std::string_view keyword;  ///< compare without case
    std::optional<std::string_view> value;
};

/// All parameters, split at blanks. A problem names the one that is malformed.
Result<std::vector<Parameter>> parse_parameters(std::string_view text);

/// What follows `keyword` ("FROM:", "TO:") and optional blanks, as in "FROM:<a@b>" and "from: <a@b>"; nullopt
/// if the argument does not start with it.
std::optional<std::string_view> after_keyword(std::string_view argument, std::string_view keyword);

}  // namespace postoffice
