#include "libwrap.h"

#include <tcpd.h>
#include <unistd.h>

#include <cstring>
#include <vector>

// What libwrap wants its callers to define. It writes there the severity that a rule asks for.
int allow_severity = 0;
int deny_severity = 0;

// The only thing of libnsl that libwrap asks for, and only for a netgroup in a rule: the NIS domain. libnsl
// would bring RPC and Kerberos into every start of sendmail.
extern "C" int yp_get_default_domain(char** domain) {
    static char name[256];
    const bool is_set =
        ::getdomainname(name, sizeof name - 1) == 0 && name[0] != '\0' && std::strcmp(name, "(none)") != 0;
    *domain = name;
    return is_set ? 0 : 1;
}

namespace postoffice {

const bool has_libwrap = true;

bool libwrap_allows(const std::string& service, std::string name, std::string address,
                    const std::string& allow_table, const std::string& deny_table) {
    // libwrap takes pointers to what it may write to.
    std::string allow = allow_table, deny = deny_table, daemon = service, user = STRING_UNKNOWN;
    hosts_allow_table = allow.data();
    hosts_deny_table = deny.data();
    resident = 1;
    request_info request{};
    request_init(&request, RQ_DAEMON, daemon.data(), RQ_CLIENT_NAME, name.data(), RQ_CLIENT_ADDR,
                 address.data(), RQ_USER, user.data(), 0);
    return hosts_access(&request) != 0;
}

}  // namespace postoffice
