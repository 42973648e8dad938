#include "postoffice/local/mbox_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/lock.h"
#include "postoffice/local/mailbox.h"
#include "postoffice/routing/mailbox_path.h"

namespace postoffice {
namespace {

void require_mailbox(const struct stat& status) {
    if (const auto why = unfit_as_mbox(status, ::geteuid()); !why.empty())
        throw UnfitMailbox(std::string(why));
}

}  // namespace

MboxFile::MboxFile(std::string path, bool dot_lock, const MailboxGroup& group)
    : path_(std::move(path)), group_(group), dot_lock_(dot_lock ? path_ + ".lock" : "", group) {}

bool MboxFile::lock(Milliseconds patience, Missing missing) {
    const Deadline deadline = Deadline::after(patience);
    try {
        for (;;) {
            if (!file_ && !open_existing()) {
                if (missing == Missing::is_left) return false;
                if (!create()) continue;
            }
            if (!lock_mailbox(file_.get(), deadline, [this] { return dot_lock_.try_acquire(); }))
                throw Timeout("mailbox is locked by another program");
            // Only now does the path mean anything: until we had the lock, a mail reader could put another
            // file in its place.
            if (has_name()) return true;
            close();
            if (deadline.passed()) throw Timeout("mailbox is replaced again and again");
        }
    } catch (...) {
        close();
        throw;
    }
}

/// False if there is none.
bool MboxFile::open_existing() {
    struct stat named {};
    if (::lstat(path_.c_str(), &named) != 0) {
        if (errno == ENOENT) return false;
        throw_errno("stat " + path_);
    }
    require_mailbox(named);
    // Reading the end of the file must not look to the user's shell as if the mail had been read.
    file_ = disk::open(path_, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOATIME);
    return true;
}

/// False if another process created it first.
bool MboxFile::create() {
    const EffectiveGroup as_mailbox_group(group_);
    try {
        file_ = disk::open(path_, O_RDWR | O_APPEND | O_NOFOLLOW | O_NOATIME | O_CREAT | O_EXCL, 0600);
    } catch (const std::system_error& e) {
        if (e.code().value() == EEXIST) return false;
        throw;
    }
    // Where a mailbox group owns the directory, its members (mail readers that are set-gid) expect to get in.
    if (group_.needed && ::fchmod(file_.get(), 0660) != 0) throw_errno("chmod " + path_);
    return true;
}

/// Whether the path leads to the open file. Then its status is known, and it is a mailbox.
bool MboxFile::has_name() {
    struct stat named {};
    if (::fstat(file_.get(), &status_) != 0) throw_errno("stat " + path_);
    if (::lstat(path_.c_str(), &named) != 0 || named.st_dev != status_.st_dev ||
        named.st_ino != status_.st_ino)
        return false;
    require_mailbox(status_);
    return true;
}

void MboxFile::unlock() noexcept {
    dot_lock_.release();
    if (file_) unlock_mailbox(file_.get());
}

void MboxFile::close() noexcept {
    dot_lock_.release();
    file_.reset();
    is_name_durable_ = false;
}

void MboxFile::make_name_durable() {
    if (!std::exchange(is_name_durable_, true)) disk::sync_name(path_);
}

std::string missing_mbox_end(int file, off_t size) {
    if (size == 0) return "";
    char last[2] = {'\n', '\n'};
    const std::size_t length = size == 1 ? 1 : 2;
    const std::span<char> into(last + 2 - length, length);
    if (disk::read_at(file, into, size - static_cast<off_t>(length)) != length)
        throw_errno(EIO, "read the end of a mailbox");
    if (last[1] != '\n') return "\n\n";
    return last[0] != '\n' ? "\n" : "";
}

}  // namespace postoffice
