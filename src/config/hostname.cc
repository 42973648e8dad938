#include "postoffice/config/hostname.h"

#include <netdb.h>
#include <sys/utsname.h>

#include <memory>

#include "postoffice/base/text.h"
#include "postoffice/config/values.h"

namespace postoffice {

std::string literal_host_name() {
    utsname host{};
    if (::uname(&host) != 0) return "localhost";
    const auto name = parse_domain(host.nodename);
    return name ? *name : "localhost";
}

std::string canonical_host_name() {
    const auto literal = literal_host_name();
    if (literal.find('.') != std::string::npos) return literal;

    addrinfo hints{};
    hints.ai_flags = AI_CANONNAME;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(literal.c_str(), nullptr, &hints, &found) != 0) return literal;
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> answers(found, &::freeaddrinfo);
    if (!answers->ai_canonname) return literal;
    std::string_view written = answers->ai_canonname;
    if (written.ends_with('.')) written.remove_suffix(1);
    const auto canonical = parse_domain(written);
    // /etc/hosts of many machines knows the host only as another name of localhost.
    if (!canonical || canonical->find('.') == std::string::npos || canonical->starts_with("localhost."))
        return literal;
    return *canonical;
}

}  // namespace postoffice
