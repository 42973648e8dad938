#include "postoffice/base/folder.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/privileges.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr int to_work_in = O_PATH | O_DIRECTORY;

struct stat status_of(int folder, const std::string& path) {
    struct stat status {};
    if (::fstat(folder, &status) != 0) throw_errno("stat " + path);
    return status;
}

/// True if no account but root can put a link there.
bool only_root_can_change(const struct stat& folder) {
    const bool others_write = folder.st_mode & S_IWOTH;
    const bool group_writes = (folder.st_mode & S_IWGRP) && folder.st_gid != 0;
    return folder.st_uid == 0 && !others_write && !group_writes;
}

std::vector<gid_t> groups_now() {
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
    if (::getgroups(static_cast<int>(groups.size()), groups.data()) < 0) throw_errno("getgroups");
    return groups;
}

}  // namespace

std::string parent_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

Fd open_folder(const std::string& path) {
    if (::geteuid() != 0) return disk::open(path, to_work_in);
    Fd at = disk::open(path.starts_with('/') ? "/" : ".", to_work_in);
    for (const auto part : split(path, '/')) {
        if (part.empty()) continue;
        const int follow = only_root_can_change(status_of(at.get(), path)) ? 0 : O_NOFOLLOW;
        Fd next(::openat(at.get(), std::string(part).c_str(), to_work_in | follow | O_CLOEXEC));
        if (!next) throw_errno("open " + path);
        at = std::move(next);
    }
    return at;
}

RightsOfOwner::RightsOfOwner(const std::string& folder) : folder_(open_folder(folder)) {
    const auto status = status_of(folder_.get(), folder);
    if (::geteuid() != 0 || status.st_uid == 0) return;
    groups_ = groups_now();
    group_ = ::getegid();
    changed_ = true;
    // The user last: without root's effective id the groups could not be changed any more.
    if (::setgroups(1, &status.st_gid) == 0 && ::setegid(status.st_gid) == 0 && ::seteuid(status.st_uid) == 0)
        return;
    const int error = errno;
    restore();
    throw_errno(error, "rights of the owner of " + folder);
}

RightsOfOwner::~RightsOfOwner() {
    if (changed_) restore();
}

void RightsOfOwner::restore() {
    if (::seteuid(0) != 0 || ::setegid(group_) != 0 || ::setgroups(groups_.size(), groups_.data()) != 0)
        std::terminate();  // nothing may go on with half of root's rights
}

void become_owner_of(const std::string& folder) {
    if (::geteuid() != 0) return;
    const auto status = status_of(open_folder(folder).get(), folder);
    if (status.st_uid != 0) become_forever(status.st_uid, status.st_gid, {status.st_gid});
}

bool make_folder(const std::string& path, mode_t mode, uid_t uid, gid_t gid) {
    const RightsOfOwner rights(parent_of(path));
    const std::string name = path.substr(path.rfind('/') + 1);
    struct stat found {};
    // In a folder of another account a link counts for nothing: see open_folder().
    if (::fstatat(rights.folder(), name.c_str(), &found, rights.changed() ? AT_SYMLINK_NOFOLLOW : 0) == 0) {
        if (!S_ISDIR(found.st_mode)) throw_errno(ENOTDIR, path);
        return false;
    }
    if (rights.changed() && ::geteuid() != uid) throw_errno(EPERM, "mkdir " + path);
    if (::mkdirat(rights.folder(), name.c_str(), 0700) != 0) throw_errno("mkdir " + path);
    const Fd folder(::openat(rights.folder(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) throw_errno("open " + path);
    if (::geteuid() == 0 && ::fchown(folder.get(), uid, gid) != 0) throw_errno("chown " + path);
    if (::fchmod(folder.get(), mode) != 0) throw_errno("chmod " + path);  // mkdir takes the umask from it
    disk::sync_name(path);
    return true;
}

}  // namespace postoffice
