#include "postoffice/daemon/service_identity.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "postoffice/base/error.h"
#include "postoffice/base/privileges.h"

namespace postoffice {

ServiceIdentity service_identity(const Config& config) {
    if (::geteuid() != 0) return {::getuid(), ::getgid()};
    errno = 0;
    const passwd* account = ::getpwnam(config.user.c_str());
    if (account == nullptr)
        throw_errno(errno != 0 ? errno : ENOENT,
                    "user=" + config.user + ": there is no such account; postoffice needs one of its own");
    return {account->pw_uid, account->pw_gid};
}

void confine_to(const ServiceIdentity& identity) {
    become_forever(identity.uid, identity.gid, {identity.gid});
    forbid_new_privileges();
    ::umask(027);
}

}  // namespace postoffice
