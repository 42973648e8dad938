// The one place that knows tcpd.h. In a build without libwrap every client is allowed.
#pragma once

#include <cstddef>
#include <string>

#include "postoffice/policy/hosts_access.h"

namespace postoffice {

inline constexpr std::size_t libwrap_longest_name = 127;     ///< octets that it looks at
inline constexpr const char* libwrap_unknown = "unknown";    ///< of the wildcard UNKNOWN
inline constexpr const char* libwrap_paranoid = "paranoid";  ///< of the wildcard PARANOID

/// Changes the process in whatever way a matching rule says: for a child that ends after it. A rule cannot
/// replace the process (`twist` is a mistake in the table, as hosts_options(5) has it for resident daemons).
bool libwrap_allows(const std::string& service, std::string name, std::string address,
                    const std::string& allow_table, const std::string& deny_table);

}  // namespace postoffice
