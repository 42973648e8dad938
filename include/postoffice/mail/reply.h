// SMTP replies: what a verb answers, and what a server told us. RFC 5321 section 4.2, RFC 3463.
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace postoffice {

struct Reply {
    int code = 250;
    std::string status;  ///< enhanced status "2.1.0"; empty where RFC 2034 has none (greeting, EHLO, 354)
    std::string text;    ///< may hold several lines, separated by '\n'
    /// False: a line of `text` stays one line, up to 480 octets. For the greeting, after whose first line
    /// some clients stop reading, and for the answer to EHLO, of which each line has a meaning (RFC 5321
    /// section 4.1.1.1).
    bool is_wrapped = true;

    bool is_positive() const { return code < 400; }
    bool is_temporary() const { return code >= 400 && code < 500; }
    bool is_permanent() const { return code >= 500; }

    /// As sent: CRLF line ends, "250-" for all lines but the last, each line wrapped at 70 columns at a
    /// blank (see is_wrapped); the enhanced status starts each line. Control characters become '?'.
    std::string wire() const;
    /// "550 5.1.1 No such user" on one line, for logs, journals and DSNs.
    std::string line() const;

    auto operator<=>(const Reply&) const = default;
};

/// Splits "5.1.1 text" into status and text; status empty if it does not start with one.
struct StatusAndText {
    std::string_view status;
    std::string_view text;
};
StatusAndText split_enhanced_status(std::string_view text);

}  // namespace postoffice
