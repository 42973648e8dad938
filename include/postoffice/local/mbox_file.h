// The file of an mbox, opened and locked as all mail programs on the host expect: flock(2), fcntl(2) and
// PATH.lock (Debian policy 11.6). What is in it is not looked at.
#pragma once

#include <sys/stat.h>

#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/local/dot_lock.h"
#include "postoffice/local/mailbox_group.h"

namespace postoffice {

class MboxFile {
  public:
    /// `path` is absolute, and not followed if it is a symbolic link. `dot_lock`: PATH.lock, too, where the
    /// folder lets it be created.
    MboxFile(std::string path, bool dot_lock, const MailboxGroup& group);
    ~MboxFile() { close(); }
    MboxFile(const MboxFile&) = delete;
    MboxFile& operator=(const MboxFile&) = delete;

    enum class Missing { is_created, is_left };
    /// Opens the file, if it is not open, and locks what has the name now. False if there is none and none is
    /// to be created. Throws UnfitMailbox, std::system_error, and Timeout if other programs keep the locks
    /// longer than that; then it is closed.
    bool lock(Milliseconds patience, Missing missing);
    /// It stays open.
    void unlock() noexcept;
    void close() noexcept;

    const std::string& path() const { return path_; }
    const MailboxGroup& group() const { return group_; }
    int fd() const { return file_.get(); }
    /// As it was when the lock was taken.
    const struct stat& status() const { return status_; }
    /// Syncs the folder if that was not done since the file was opened. Throws std::system_error.
    void make_name_durable();

  private:
    bool open_existing();
    bool create();
    bool has_name();

    const std::string path_;
    const MailboxGroup group_;
    DotLock dot_lock_;
    Fd file_;
    struct stat status_ {};
    bool is_name_durable_ = false;
};

/// What an mbox of this size lacks of the empty line at its end, which a crash in the middle of an append, or
/// another program, may have left out. Throws std::system_error.
std::string missing_mbox_end(int file, off_t size);

}  // namespace postoffice
