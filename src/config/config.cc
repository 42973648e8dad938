#include "postoffice/config/config.h"

#include <algorithm>

#include "postoffice/config/options.h"

namespace postoffice {

Config::Config() {
    for (const Option& option : option_table()) option.reset(*this);
}

bool IdentityConfig::is_local_domain(const std::string& lower_case_domain) const {
    return lower_case_domain == hostname || lower_case_domain == "localhost" ||
           std::find(local_domains.begin(), local_domains.end(), lower_case_domain) != local_domains.end();
}

bool RoutingConfig::extension_may_be_unknown() const {
    return delivery_files.empty() ||
           std::find(delivery_files.begin(), delivery_files.end(), ".forward") != delivery_files.end();
}

}  // namespace postoffice
