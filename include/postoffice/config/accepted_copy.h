// The configuration that the server last accepted, kept beside the file. While a new one is half written,
// programs that submit mail or look after the queue use the same configuration as the server.
#pragma once

#include <string>

#include "postoffice/config/options.h"

namespace postoffice {

/// "FILE.accepted": in the folder of the file, so that the accounts that can change the one can change the
/// other, and no others. The spool would not do: the service account could leave options there that root
/// then uses.
std::string accepted_copy_of(const std::string& file);

/// Makes the copy of what was loaded, readable as the file is; without a file to load it removes an
/// older copy. Only for a configuration that is in force. Does not throw; what goes wrong is logged.
void keep_accepted_copy(const ConfigSource& source, const LoadedConfig& loaded);

/// load_config(), or where the file is at fault or gone, the copy. Then `notices` begins with the reason. The
/// problems of the file are returned if there is no usable copy. Does not throw.
LoadedConfig load_accepted_config(const ConfigSource& source);

}  // namespace postoffice
