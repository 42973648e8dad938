// Accounts that could read the private key of the host besides its owner.
#pragma once

#include <optional>
#include <string>

#include "postoffice/config/config.h"

namespace postoffice {

/// "FILE: the key in it can be read by …", if the file with the key that the configuration names can be read
/// by others than root and the account of this process; nullopt if not, if there is none, or if that cannot
/// be seen.
std::optional<std::string> exposure_of_key(const TlsConfig& config);

}  // namespace postoffice
