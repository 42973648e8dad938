#include "postoffice/config/value_types.h"

#include <fmt/format.h>

namespace postoffice {

std::string ListenAddress::to_string() const {
    return address ? Endpoint{*address, port}.to_string() : fmt::format(":{}", port);
}

std::string RelayHost::to_string() const {
    return port == 0 ? host : fmt::format("{}:{}", host, port);
}

std::string to_text(const std::vector<RelayHost>& hosts) {
    std::string text;
    for (const RelayHost& host : hosts) text += (text.empty() ? "" : ", ") + host.to_string();
    return text;
}

std::string to_string(const ServerPlace& place) {
    const auto* path = std::get_if<std::string>(&place);
    return path != nullptr ? *path : std::get<Endpoint>(place).to_string();
}

}  // namespace postoffice
