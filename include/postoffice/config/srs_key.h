// The file of srs-key=: one secret in each line, the first for new addresses.
#pragma once

#include <string>
#include <vector>

#include "postoffice/base/result.h"

namespace postoffice {

/// The secrets; empty lines and lines that begin with # are none. The problem if the file cannot be read by
/// this process, can be read or written by accounts that should not, or has no secret of 16 octets or more.
Result<std::vector<std::string>> read_srs_key(const std::string& path);

}  // namespace postoffice
