#include "postoffice/base/fd.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/output.h"

namespace postoffice {

void Fd::reset(int fd) {
    // Linux frees the number even when close() reports EINTR, so there is nothing to retry.
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

Fd Fd::duplicate() const {
    Fd copy(::fcntl(fd_, F_DUPFD_CLOEXEC, 3));
    if (!copy) throw_errno("duplicate descriptor");
    return copy;
}

SocketPair packet_socket_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) throw_errno("socketpair");
    return {Fd(ends[0]), Fd(ends[1])};
}

Pipe make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe");
    return {Fd(ends[0]), Fd(ends[1])};
}

void sanitise_descriptors(int keep) {
    for (int fd = 0; fd <= 2; ++fd) {
        // What the caller closed the C library opens the other way round for a set-gid program.
        if (is_open_for(fd, fd == 0 ? O_RDONLY : O_WRONLY)) continue;
        ::close(fd);
        // open() takes the lowest free number, which is `fd` because those below it are open by now.
        if (::open("/dev/null", fd == 0 ? O_RDONLY : O_RDWR) != fd) throw_errno("open /dev/null");
    }
    if (::close_range(3U + static_cast<unsigned>(keep), ~0U, 0) != 0) throw_errno("close_range");
}

void close_descriptors_except(const std::vector<int>& kept) {
    release_syslog();
    std::vector<unsigned> wanted;
    for (const int fd : kept)
        if (fd > 2) wanted.push_back(static_cast<unsigned>(fd));
    // Whatever took the number of a closed log file next, a client's socket perhaps, would get its lines.
    if (log_descriptor() > 2) wanted.push_back(static_cast<unsigned>(log_descriptor()));
    std::sort(wanted.begin(), wanted.end());
    unsigned first = 3;
    for (const unsigned fd : wanted) {
        if (fd > first && ::close_range(first, fd - 1, 0) != 0) throw_errno("close_range");
        first = fd + 1;
    }
    if (::close_range(first, ~0U, 0) != 0) throw_errno("close_range");
}

std::size_t make_room_for_descriptors(std::size_t most) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("getrlimit");
    if (limit.rlim_cur >= most) return limit.rlim_cur;
    const rlimit wanted{most, std::max<rlim_t>(most, limit.rlim_max)};
    const rlimit possible{std::min<rlim_t>(most, limit.rlim_max), limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &wanted) == 0) return most;
    return ::setrlimit(RLIMIT_NOFILE, &possible) == 0 ? possible.rlim_cur : limit.rlim_cur;
}

void detach_standard_streams(bool keep_stderr) {
    Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) throw_errno("open /dev/null");
    for (int fd = 0; fd <= (keep_stderr ? 1 : 2); ++fd)
        if (::dup2(null.get(), fd) < 0) throw_errno("dup2");
}

}  // namespace postoffice
