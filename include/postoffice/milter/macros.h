// Macros: what a filter is told of a session beside the protocol, by the names that sendmail has for it.
// postoffice-filter(5) has the table.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace postoffice {

/// The values that are known now, by name: "i", "{mail_addr}".
class FilterMacros {
  public:
    /// An empty value makes it unknown. Control characters and what a filter could take for the end of the
    /// text become '?'.
    void set(std::string_view name, std::string_view value);
    /// "" if it is unknown.
    std::string_view get(std::string_view name) const;

  private:
    std::map<std::string, std::string, std::less<>> values_;
};

/// What does not depend on the client: "j", "{daemon_name}", "v", "b".
void set_host_macros(FilterMacros& macros, const std::string& hostname);

}  // namespace postoffice
