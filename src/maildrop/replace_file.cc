#include "replace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <utility>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

/// Access control lists are attributes, too (acl(5)). What cannot be copied is left out.
void copy_attributes(int from, int to) {
    std::string names(65536, '\0');
    const ssize_t size = ::flistxattr(from, names.data(), names.size());
    if (size <= 0) return;
    std::string value(65536, '\0');
    std::string_view rest(names.data(), static_cast<std::size_t>(size));
    while (!rest.empty()) {
        const std::string name(read_until(rest, '\0'));
        const ssize_t length = ::fgetxattr(from, name.c_str(), value.data(), value.size());
        if (length >= 0)
            (void)::fsetxattr(to, name.c_str(), value.data(), static_cast<std::size_t>(length), 0);
    }
}

}  // namespace

std::string path_beside(const std::string& mailbox, const std::string& suffix) {
    const auto name = mailbox.rfind('/') + 1;
    return mailbox.substr(0, name) + "." + mailbox.substr(name) + suffix;
}

ReplacementFile::ReplacementFile(std::string path, const MailboxGroup& group)
    : path_(std::move(path)), group_(group) {
    const EffectiveGroup as_mailbox_group(group_);
    file_ = Fd(::open(parent_of(path_).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (file_) return;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)
        throw_errno("create a file beside " + path_);
    disk::unlink_if_exists(path_);
    file_ = disk::open(path_, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    has_name_ = true;
}

ReplacementFile::~ReplacementFile() {
    if (!has_name_) return;
    try {
        const EffectiveGroup as_mailbox_group(group_);
        disk::unlink_if_exists(path_);
    } catch (const std::exception& error) {
        log_event("", "file-not-removed", {{"file", path_}, {"reason", in_plain_words(error)}});
    }
}

void ReplacementFile::take_rights_of(int original) {
    struct stat wanted {};
    if (::fstat(original, &wanted) != 0) throw_errno("stat a mailbox");
    {
        const EffectiveGroup as_mailbox_group(group_);
        if (::fchown(fd(), static_cast<uid_t>(-1), wanted.st_gid) != 0) throw_errno("chgrp " + path_);
    }
    if (::fchmod(fd(), wanted.st_mode & 07777) != 0) throw_errno("chmod " + path_);
    copy_attributes(original, fd());
}

void ReplacementFile::replace(const std::string& target) {
    const EffectiveGroup as_mailbox_group(group_);
    if (!has_name_) {
        disk::unlink_if_exists(path_);
        disk::link_opened(fd(), path_);
        has_name_ = true;
    }
    disk::rename(path_, target);
    has_name_ = false;
}

}  // namespace postoffice
