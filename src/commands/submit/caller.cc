#include "caller.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

/// The first comma field of GECOS, '&' replaced by the login name.
std::string name_in(const char* gecos, const std::string& login) {
    std::string name;
    for (const char* c = gecos == nullptr ? "" : gecos; *c != '\0' && *c != ','; ++c) {
        if (*c != '&') {
            name += *c;
            continue;
        }
        name += login;
        char& first = name[name.size() - login.size()];
        if (first >= 'a' && first <= 'z') first = static_cast<char>(first - 'a' + 'A');
    }
    return name;
}

void fill_account(Caller& caller, const passwd& account) {
    caller.login = account.pw_name;
    caller.full_name = name_in(account.pw_gecos, caller.login);
    caller.home = account.pw_dir == nullptr ? "" : account.pw_dir;
}

}  // namespace

Caller identify_caller() {
    Caller caller;
    caller.uid = ::getuid();
    const passwd* account = nullptr;
    for (const char* variable : {"LOGNAME", "USER"}) {
        const char* name = std::getenv(variable);
        if (account != nullptr || name == nullptr || *name == '\0') continue;
        account = ::getpwnam(name);
        if (account != nullptr && account->pw_uid != caller.uid) account = nullptr;
    }
    if (account == nullptr) account = ::getpwuid(caller.uid);
    if (account != nullptr) {
        fill_account(caller, *account);
    } else {
        caller.login = fmt::format("uid{}", caller.uid);
    }
    return caller;
}

}  // namespace postoffice
