// Changes to the text of domains.cf(5), and of a virtual domain's passwd and aliases. Comments, order and
// all lines that are not changed stay as they are.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "postoffice/routing/virtual_domains.h"

namespace postoffice {

/// The user has this hash now; a new user is added at the end. Of the seven fields of the long
/// form only the second changes.
std::string with_user(std::string_view passwd, const std::string& name, const std::string& hash);
/// nullopt if there is no such user.
std::optional<std::string> without_user(std::string_view passwd, const std::string& name);

/// The alias has this value now, in one line in its old place, or at the end.
std::string with_alias(std::string_view aliases, const std::string& name, const std::string& value);
/// nullopt if there is no such alias.
std::optional<std::string> without_alias(std::string_view aliases, const std::string& name);

/// The domain has this line now, in its old place or at the end.
std::string with_domain(std::string_view domains, const VirtualDomain& domain);
/// nullopt if there is no such domain.
std::optional<std::string> without_domain(std::string_view domains, const std::string& name);

}  // namespace postoffice
