#include "changed_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "postoffice/base/clock.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/lock.h"

namespace postoffice {
namespace {

constexpr Seconds patience{10};
constexpr std::size_t most_octets = 16u << 20;

}  // namespace

ChangedFile::ChangedFile(std::string folder, const std::string& name, mode_t mode)
    : folder_(std::move(folder)), path_(folder_ + "/" + name), mode_(mode) {
    lock_ = disk::open(folder_, O_RDONLY | O_DIRECTORY);
    const Deadline deadline = Deadline::after(patience);
    while (!try_lock(lock_.get())) {
        if (deadline.passed()) throw Timeout(folder_ + ": somebody else is changing it");
        ::usleep(20'000);
    }
    struct stat status {};
    if (::lstat(path_.c_str(), &status) != 0) {
        if (errno != ENOENT) throw_errno(path_);
        return;
    }
    if (!S_ISREG(status.st_mode))
        throw FormatError(path_ + (S_ISLNK(status.st_mode) ? ": a link; change the file that it leads to"
                                                           : ": no regular file"));
    mode_ = status.st_mode & 0777;
    text_ = disk::read_all(disk::open(path_, O_RDONLY | O_NOFOLLOW).get(), most_octets);
}

/// Under another name first: whoever looks meanwhile, or after a crash, sees all of one text.
void ChangedFile::write(const std::string& path, const std::string& text) const {
    const std::string temporary = path + ".new";
    disk::unlink_if_exists(temporary);
    const Fd file = disk::open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode_ & 0600);
    disk::write_all(file.get(), text);
    if (::fchmod(file.get(), mode_) != 0) throw_errno(temporary);
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
