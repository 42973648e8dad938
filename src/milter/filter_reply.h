// The words of a filter as a reply to a client.
#pragma once

#include <string_view>

#include "postoffice/mail/reply.h"

namespace postoffice::milter {

/// "550 5.7.1 text", or several lines of that, "550-5.7.1 text". The reply has one code, one status, and
/// printable ASCII. Throws FormatError if it does not begin with a code of 4xx or 5xx.
Reply parse_filter_reply(std::string_view text);

}  // namespace postoffice::milter
