// The lock that mail programs agree on by a file beside the mailbox, MAILBOX.lock: Debian policy 11.6 asks
// for it in addition to fcntl(2). It holds the process that made it, as mail programs expect, and a mark by
// which what a killed agent left can be told from the lock of another program.
#pragma once

#include <string>

#include "postoffice/local/mailbox_group.h"

namespace postoffice {

class DotLock {
  public:
    /// `path`: of the lock file; empty for none. `group`: which may create files there.
    DotLock(std::string path, const MailboxGroup& group) : path_(std::move(path)), group_(group) {}
    ~DotLock() { release(); }
    DotLock(const DotLock&) = delete;
    DotLock& operator=(const DotLock&) = delete;

    /// False while another program holds it. True if it is ours now, or there is none: this process may not
    /// create files there, or the name belongs to a file that is no lock of the owner of the mailbox. The
    /// caller holds the locks of the kernel on the mailbox, so that two agents do not remove the same old
    /// lock. Throws std::system_error.
    bool try_acquire();
    void release() noexcept;

  private:
    bool create();
    bool create_by_name();
    bool remove_if_stale();

    const std::string path_;
    const MailboxGroup group_;
    bool is_held_ = false;
};

}  // namespace postoffice
