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

std::vector<ListenAddress> NetworkConfig::ports() const {
    std::vector<ListenAddress> all = listen;
    all.insert(all.end(), pop3.begin(), pop3.end());
    return all;
}

Transport RemoteConfig::transport(const std::string& name) const {
    const auto found = std::find_if(transports.begin(), transports.end(),
                                    [&](const Transport& transport) { return transport.name == name; });
    if (found == transports.end()) return usual;
    Transport transport = *found;
    if (transport.destination_agents == 0) transport.destination_agents = usual.destination_agents;
    if (transport.destination_rate.most == 0) transport.destination_rate = usual.destination_rate;
    if (transport.source_addresses.empty()) transport.source_addresses = usual.source_addresses;
    if (transport.helo_name.empty()) transport.helo_name = usual.helo_name;
    return transport;
}

bool RoutingConfig::extension_may_be_unknown() const {
    return delivery_files.empty() ||
           std::find(delivery_files.begin(), delivery_files.end(), ".forward") != delivery_files.end();
}

}  // namespace postoffice
