#include "postoffice/config/config.h"

#include <algorithm>

namespace postoffice {

bool Config::is_local_domain(const std::string& lower_case_domain) const {
    return lower_case_domain == hostname || lower_case_domain == "localhost" ||
           std::find(local_domains.begin(), local_domains.end(), lower_case_domain) != local_domains.end();
}

bool Config::extension_may_be_unknown() const {
    return delivery_files.empty() ||
           std::find(delivery_files.begin(), delivery_files.end(), ".forward") != delivery_files.end();
}

}  // namespace postoffice
