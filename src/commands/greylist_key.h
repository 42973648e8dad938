// Keys of the greylist, as authexpire(8) is told them.
#pragma once

#include <string>

namespace postoffice {

/// Why no mail would ever match the key, which is in lower case; "" if some could: a sender, "[NETWORK]",
/// "[DOMAIN]", a sender or "<>" before either, "to:SENDER", "from:DOMAIN".
std::string problem_of_greylist_key(const std::string& key);

}  // namespace postoffice
