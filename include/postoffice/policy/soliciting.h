// Mail that says of itself that it wants something of its reader: RFC 3865.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "postoffice/mail/reply.h"

namespace postoffice {

/// `unwanted`: the keywords of `no-soliciting`; `declared`: those of SOLICIT= or of a Solicitation field. 550
/// if they have one in common, whatever its case. Text that is no list of keywords has none.
std::optional<Reply> check_solicitation(std::string_view unwanted, std::string_view declared);

}  // namespace postoffice
