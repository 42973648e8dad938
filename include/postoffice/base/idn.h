// Internationalised domain names (IDNA2008, RFC 5890 to 5892): between what people write and what DNS knows.
// Done by libidn2, which is loaded when it is first needed: most processes never meet such a name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postoffice {

/// False if the program was built without it, or the library is not there. Loads the library.
bool idn_is_available();
/// The domain with A-labels, in lower case: "xn--bcher-kva.example". A name that is ASCII already is only
/// folded. nullopt if it is no UTF-8, has characters that no domain may have, or IDN is not available.
std::optional<std::string> domain_to_ascii(std::string_view domain);
/// The same with U-labels, for people; as it is where that is not possible.
std::string domain_to_unicode(std::string_view domain);

}  // namespace postoffice
