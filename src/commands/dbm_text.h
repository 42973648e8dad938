// Keys and values of databases as text, a line for each entry: key, tab, value. Whatever octets they have,
// the line is one line, and read again it is the same entry: tab is written \t, newline \n, backslash \\, and
// other control characters \ooo, three octal digits. Octets above 127 stand for themselves.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "postoffice/base/result.h"

namespace postoffice {

/// Without the newline at its end.
inline constexpr std::size_t longest_dbm_line = 1 << 20;

std::string to_dbm_text(std::string_view octets);
/// Control characters may also stand for themselves. A backslash that begins none of the above is a mistake.
Result<std::string> from_dbm_text(std::string_view text);

struct DbmEntry {
    std::string key;
    std::string value;
    bool operator==(const DbmEntry&) const = default;
};
std::string to_dbm_line(const DbmEntry& entry);
Result<DbmEntry> from_dbm_line(std::string_view line);

}  // namespace postoffice
