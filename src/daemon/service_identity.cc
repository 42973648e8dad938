#include "postoffice/daemon/service_identity.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "postoffice/base/accounts.h"
#include "postoffice/base/error.h"
#include "postoffice/base/privileges.h"
#include "postoffice/base/process.h"

namespace postoffice {

ServiceIdentity service_identity(const Config& config) {
    if (::geteuid() != 0) return {::getuid(), ::getgid()};
    const auto account = find_account(config.identity.user);
    if (!account)
        throw_errno(ENOENT, "user=" + config.identity.user +
                                ": there is no such account; postoffice needs one of its own");
    if (config.filters.list.empty()) return {account->uid, account->gid};
    return {account->uid, account->gid, groups_of(*account)};
}

ServiceIdentity identity_without_rights() {
    constexpr uid_t nobody = 65534;
    if (::geteuid() != 0) return {::getuid(), ::getgid()};
    return {nobody, nobody};
}

std::string only_user_of(const Config& config) {
    const uid_t uid = ::getuid();
    struct stat spool {};
    if (uid == 0 || has_executable_privileges()) return "";
    if (::stat(config.queue.dir.c_str(), &spool) == 0 ? spool.st_uid != uid : errno != ENOENT) return "";
    const auto account = find_account(uid);
    return account && config.identity.user != account->name ? account->name : "";
}

bool service_can(const ServiceIdentity& identity, const std::string& path, int access) {
    const pid_t child = spawn_process("check", [&] {
        confine_to(identity);
        return ::access(path.c_str(), access) == 0 ? 0 : 1;
    });
    int status = 0;
    while (::waitpid(child, &status, 0) < 0)
        if (errno != EINTR) throw_errno("wait for a check");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool ordinary_users_can(const ServiceIdentity& identity, const std::string& path, int access) {
    constexpr uid_t nobody = 65534;
    ServiceIdentity user = identity;
    user.uid = identity.uid == nobody ? nobody - 1 : nobody;
    user.groups.clear();
    return service_can(user, path, access);
}

void confine_to(const ServiceIdentity& identity) {
    become_forever(identity.uid, identity.gid,
                   identity.groups.empty() ? std::vector<gid_t>{identity.gid} : identity.groups);
    forbid_new_privileges();
    ::umask(027);
}

}  // namespace postoffice
