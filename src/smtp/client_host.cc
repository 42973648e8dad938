#include "client_host.h"

#include <algorithm>
#include <vector>

#include "postoffice/base/text.h"
#include "postoffice/mail/address.h"
#include "postoffice/net/mx.h"

namespace postoffice {
namespace {

constexpr Seconds patience_with_dns{30};
constexpr std::size_t names_to_try = 3;  // an address can have as many names as its owner likes

bool contains(const std::vector<IpAddress>& addresses, const IpAddress& address) {
    return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

}  // namespace

std::string find_client_name(const Resolver& resolver, const IpAddress& address) {
    if (address.is_loopback()) return "localhost";
    const auto deadline = Deadline::after(patience_with_dns);
    const auto pointers = resolver.names(address);
    std::size_t tried = 0;
    for (const auto& name : pointers.names) {
        if (tried++ == names_to_try || deadline.passed()) break;
        if (is_valid_domain(name) && contains(resolver.addresses(name).addresses, address)) return name;
    }
    return "unknown";
}

bool is_own_address(const IpAddress& address) {
    if (address.is_loopback()) return true;
    static const std::vector<IpAddress> own = interface_addresses();
    return contains(own, address);
}

bool is_listed_client(const std::vector<std::string>& hosts, const SessionState& state) {
    const auto address = IpAddress::parse(state.client_address.str());
    const std::string name = state.client_name.str();
    return address && std::any_of(hosts.begin(), hosts.end(), [&](const std::string& host) {
               return host.starts_with('[') ? IpAddress::parse(host.substr(1, host.size() - 2)) == address
                                            : equals_ignoring_case(host, name);
           });
}

bool is_local_client(const Config& config, const SessionState& state) {
    const std::string address = state.client_address.str();
    if (address.empty() || is_listed_client(config.trusted, state)) return true;
    const auto parsed = IpAddress::parse(address);
    return parsed && is_own_address(*parsed);
}

}  // namespace postoffice
