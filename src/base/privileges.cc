#include "postoffice/base/privileges.h"

#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

#include "postoffice/base/error.h"

namespace postoffice {
namespace {

void require_ids(uid_t uid, gid_t gid) {
    uid_t r = 0, e = 0, s = 0;
    gid_t rg = 0, eg = 0, sg = 0;
    if (::getresuid(&r, &e, &s) != 0 || ::getresgid(&rg, &eg, &sg) != 0) throw_errno("getresuid");
    if (r != uid || e != uid || s != uid || rg != gid || eg != gid || sg != gid)
        throw_errno(EPERM, "user or group id did not change as asked");
}

}  // namespace

void become_forever(uid_t uid, gid_t gid, const std::vector<gid_t>& groups) {
    if (::geteuid() != 0) {
        require_ids(uid, gid);
        return;
    }
    if (::setgroups(groups.size(), groups.data()) != 0) throw_errno("setgroups");
    if (::setresgid(gid, gid, gid) != 0) throw_errno("setresgid");
    if (::setresuid(uid, uid, uid) != 0) throw_errno("setresuid");
    require_ids(uid, gid);
    if (uid != 0 && ::setresuid(0, 0, 0) == 0) throw_errno(EPERM, "root could be regained");
}

void forbid_new_privileges() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw_errno("no_new_privs");
}

void drop_executable_privileges() {
    const uid_t uid = ::getuid();
    const gid_t gid = ::getgid();
    if (::setresgid(gid, gid, gid) != 0) throw_errno("setresgid");
    if (::setresuid(uid, uid, uid) != 0) throw_errno("setresuid");
    require_ids(uid, gid);
}

bool has_executable_privileges() {
    return ::getuid() != ::geteuid() || ::getgid() != ::getegid();
}

}  // namespace postoffice
