#include "changed_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "postoffice/base/clock.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/lock.h"

namespace postoffice {
namespace {

constexpr Seconds patience{10};
constexpr std::size_t most_file_octets = 16u << 20;
constexpr const char* access_list = "system.posix_acl_access";

/// Empty on a file system without access lists, too.
std::string read_access_list(int file, const std::string& path) {
    std::string list(64 * 1024, '\0');
    const ssize_t size = ::fgetxattr(file, access_list, list.data(), list.size());
    if (size < 0 && errno != ENODATA && errno != EOPNOTSUPP) throw_errno(path);
    list.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return list;
}

}  // namespace

ChangedFile::ChangedFile(std::string folder, const std::string& name, const FileRights& rights)
    : folder_(std::move(folder)), path_(folder_ + "/" + name), mode_(rights.mode), group_(rights.group) {
    lock_ = disk::open(folder_, O_RDONLY | O_DIRECTORY);
    lock_until(lock_.get(), folder_, Deadline::after(patience));
    read(rights);
}

void ChangedFile::read(const FileRights& rights) {
    struct stat status {};
    if (::lstat(path_.c_str(), &status) != 0) {
        if (errno != ENOENT) throw_errno(path_);
        return;
    }
    if (!S_ISREG(status.st_mode))
        throw FormatError(path_ + (S_ISLNK(status.st_mode) ? ": a link; change the file that it leads to"
                                                           : ": no regular file"));
    const Fd file = disk::open(path_, O_RDONLY | O_NOFOLLOW);
    text_ = disk::read_all(file.get(), most_file_octets);
    access_list_ = read_access_list(file.get(), path_);
    mode_ = status.st_mode & 0777;
    owner_ = status.st_uid;
    group_ = status.st_gid;
    if ((mode_ & S_IROTH) != 0) return;
    if (rights.group && (*group_ == 0 || (mode_ & S_IRGRP) == 0)) group_ = rights.group;
    mode_ |= rights.required;
}

/// The owner of the folder is not always in the group that the file has, such as that of the web server.
void ChangedFile::give_rights(int file, const std::string& path) const {
    struct stat status {};
    if (::fstat(file, &status) != 0) throw_errno(path);
    const uid_t owner = ::geteuid() == 0 ? owner_.value_or(status.st_uid) : status.st_uid;
    const gid_t group = group_.value_or(status.st_gid);
    if ((owner != status.st_uid || group != status.st_gid) && ::fchown(file, owner, group) != 0) {
        if (errno != EPERM) throw_errno(path);
        throw FormatError(
            fmt::format("{} belongs to group {}, which this account may not give to a new file: "
                        "nothing is changed; give the file a group of its owner's, and other "
                        "accounts their rights by setfacl(1)",
                        path_, group));
    }
    if (::fchmod(file, mode_) != 0) throw_errno(path);
    if (!access_list_.empty() &&
        ::fsetxattr(file, access_list, access_list_.data(), access_list_.size(), 0) != 0)
        throw_errno(path);
}

/// Under another name first: a process that reads meanwhile, or after a crash, sees all of one text.
void ChangedFile::write(const std::string& path, const std::string& text) const {
    const std::string temporary = path + ".new";
    disk::unlink_if_exists(temporary);
    const Fd file = disk::open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode_ & 0600);
    disk::write_all(file.get(), text);
    give_rights(file.get(), temporary);
    disk::sync(file.get());
    disk::rename(temporary, path);
}

void ChangedFile::replace(const std::string& text) {
    write(path_ + "~", text_);
    write(path_, text);
    disk::sync_directory(folder_);
    text_ = text;
}

void ChangedFile::undo() {
    const std::string former = path_ + "~";
    if (::renameat2(AT_FDCWD, former.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) != 0) {
        if (errno == ENOENT) throw FormatError(path_ + ": there is no former state to go back to");
        throw_errno(path_);
    }
    disk::sync_directory(folder_);
}

}  // namespace postoffice
