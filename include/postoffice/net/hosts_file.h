// The hosts file, hosts(5): names of machines that need no DNS. Read anew for each question, so a change
// counts at once. A missing file is an empty one; one that cannot be read throws std::system_error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/ip_address.h"

namespace postoffice {

/// In the order of the file, each once. `host` in lower case.
std::vector<IpAddress> addresses_in_hosts_file(const std::string& path, std::string_view host);
/// In lower case; the canonical name is first.
std::vector<std::string> names_in_hosts_file(const std::string& path, const IpAddress& address);

}  // namespace postoffice
