#include "caller.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <system_error>
#include <utility>

#include "postoffice/base/accounts.h"

namespace postoffice {
namespace {

/// Of several login names of the same uid, the one that the environment names.
std::optional<Account> account_of_caller(uid_t uid) {
    for (const char* variable : {"LOGNAME", "USER"}) {
        const char* name = std::getenv(variable);
        if (name == nullptr) continue;
        if (auto account = find_account(name); account && account->uid == uid) return account;
    }
    return find_account(uid);
}

}  // namespace

Caller identify_caller() {
    Caller caller;
    caller.uid = ::getuid();
    std::optional<Account> account;
    try {
        account = account_of_caller(caller.uid);
    } catch (const std::system_error&) {  // a caller without account
    }
    if (!account) {
        caller.login = fmt::format("uid{}", caller.uid);
        return caller;
    }
    caller.login = std::move(account->name);
    caller.full_name = std::move(account->full_name);
    caller.home = std::move(account->home);
    return caller;
}

}  // namespace postoffice
