#include "caller.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

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

/// True if the account of that name exists with this uid.
bool is_name_of(const std::string& name, uid_t uid) {
    const passwd* account = ::getpwnam(name.c_str());
    return account != nullptr && account->pw_uid == uid;
}

bool is_in_group(const std::string& name) {
    const group* entry = ::getgrnam(name.c_str());
    if (entry == nullptr) return false;
    const gid_t wanted = entry->gr_gid;
    // The real group and the supplementary ones: the effective group may be lent by the set-gid bit.
    if (::getgid() == wanted) return true;
    const int count = ::getgroups(0, nullptr);
    if (count <= 0) return false;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    groups.resize(static_cast<std::size_t>(std::max(0, ::getgroups(count, groups.data()))));
    return std::find(groups.begin(), groups.end(), wanted) != groups.end();
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

bool is_trusted(const Config& config, const Caller& caller) {
    if (caller.uid == 0 || caller.login == config.only_user || is_name_of(config.user, caller.uid))
        return true;
    return std::any_of(config.trusted_users.begin(), config.trusted_users.end(),
                       [&](const std::string& name) { return name == caller.login || is_in_group(name); });
}

}  // namespace postoffice
