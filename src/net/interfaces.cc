#include <ifaddrs.h>

#include <algorithm>
#include <memory>

#include "postoffice/base/error.h"
#include "postoffice/net/mx.h"

namespace postoffice {

std::vector<IpAddress> interface_addresses() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) throw_errno("list of network interfaces");
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
    std::vector<IpAddress> addresses;
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr) continue;  // an interface without address
        const auto endpoint = Endpoint::from_sockaddr(entry->ifa_addr);
        if (endpoint && std::find(addresses.begin(), addresses.end(), endpoint->address) == addresses.end())
            addresses.push_back(endpoint->address);
    }
    return addresses;
}

}  // namespace postoffice
