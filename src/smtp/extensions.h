// What EHLO offers, in one table: a keyword, whether this client gets it, and what stands behind it.
// RFC 5321 section 4.1.1.1.
#pragma once

#include <string>

#include "dialogue.h"

namespace postoffice {

/// "\nKEYWORD" or "\nKEYWORD argument" for each extension that is offered to this client now.
std::string offered_extensions(Dialogue& dialogue);

}  // namespace postoffice
