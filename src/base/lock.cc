#include "postoffice/base/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "postoffice/base/error.h"

namespace postoffice {
namespace {

bool try_fcntl_lock(int fd, short kind) {
    struct flock range {};
    range.l_type = kind;
    range.l_whence = SEEK_SET;
    while (::fcntl(fd, F_SETLK, &range) != 0) {
        if (errno == EINTR) continue;
        if (errno == EACCES || errno == EAGAIN) return false;
        throw_errno("fcntl lock");
    }
    return true;
}

}  // namespace

void lock_until(int fd, const std::string& name, Deadline deadline) {
    constexpr Milliseconds pause{2};
    while (!try_lock(fd)) {
        if (deadline.passed()) throw Timeout(name + ": another process keeps it locked");
        std::this_thread::sleep_for(pause);
    }
}

bool try_lock(int fd) {
    while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno == EWOULDBLOCK) return false;
        throw_errno("flock");
    }
    return true;
}

bool lock_mailbox(int fd, Deadline deadline, const std::function<bool()>& try_third) {
    // Polling with no lock held in between: two programs that take them in different order cannot block
    // each other for ever.
    auto pause = Milliseconds(2);
    for (;;) {
        if (try_lock(fd)) {
            if (try_fcntl_lock(fd, F_WRLCK) && (!try_third || try_third())) return true;
            unlock_mailbox(fd);
        }
        if (deadline.passed()) return false;
        std::this_thread::sleep_for(pause);
        pause = std::min(pause * 2, Milliseconds(100));
    }
}

void unlock_mailbox(int fd) {
    (void)try_fcntl_lock(fd, F_UNLCK);
    (void)::flock(fd, LOCK_UN);
}

}  // namespace postoffice
