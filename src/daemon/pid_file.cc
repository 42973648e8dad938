#include "pid_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/base/lock.h"
#include "postoffice/daemon/master.h"

namespace postoffice {
namespace {

Fd open_and_lock(const std::string& path, int flags) {
    Fd file = disk::open(path, flags | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (!try_lock(file.get()))
        throw SpoolInUse(fmt::format("another daemon works on {} (see {})", parent_of(path), path));
    return file;
}

/// Earlier versions made the file as root. Only the process that has its lock may remove it.
void remove_file_of_root(const std::string& path) {
    struct stat named {
    }, locked{};
    if (::lstat(path.c_str(), &named) != 0 || named.st_uid == ::geteuid()) return;
    const Fd file = open_and_lock(path, O_RDONLY);
    const bool is_same = ::fstat(file.get(), &locked) == 0 && ::lstat(path.c_str(), &named) == 0 &&
                         locked.st_ino == named.st_ino && locked.st_dev == named.st_dev;
    if (is_same) disk::unlink_if_exists(path);
}

}  // namespace

PidFile::PidFile(const std::string& queue_dir) {
    const RightsOfOwner rights(queue_dir);
    const std::string path = queue_dir + "/pid";
    if (rights.changed()) remove_file_of_root(path);
    file_ = open_and_lock(path, O_RDWR | O_CREAT);
}

void PidFile::write_own_pid() const {
    disk::truncate(file_.get(), 0);
    const std::string text = fmt::format("{}\n", ::getpid());
    (void)!::pwrite(file_.get(), text.data(), text.size(), 0);
}

}  // namespace postoffice
