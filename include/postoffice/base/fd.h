// Owned file descriptors. Every descriptor in postoffice lives in an Fd and is close-on-exec.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace postoffice {

/// Sole owner of one descriptor; closes it. Move-only; an empty Fd holds -1.
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    ~Fd() { reset(); }
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) reset(std::exchange(other.fd_, -1));
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;

    [[nodiscard]] int get() const { return fd_; }
    /// Gives up ownership without closing.
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1);
    explicit operator bool() const { return fd_ >= 0; }

    /// A second descriptor of the same open file (close-on-exec). Throws std::system_error.
    [[nodiscard]] Fd duplicate() const;

  private:
    int fd_ = -1;
};

struct SocketPair {
    Fd ours;
    Fd theirs;
};

/// A connected pair of SOCK_SEQPACKET Unix sockets: message borders are kept, and the reader sees end of
/// file when every copy of the other end is closed. Throws std::system_error.
SocketPair packet_socket_pair();

struct Pipe {
    Fd read_end;
    Fd write_end;
};
/// Throws std::system_error.
Pipe make_pipe();

/// Opens 0, 1 and 2 on /dev/null where the caller left them closed, and closes everything above 2, except
/// `keep` consecutive descriptors from 3 on (socket activation). Call before anything else is opened.
void sanitise_descriptors(int keep = 0);

/// Closes every descriptor above 2 that is neither listed nor the log's. For a child right after fork: what
/// its parent held (locks, other clients' sockets) is none of its business. Fd objects copied from the parent
/// must not be used any more.
void close_descriptors_except(const std::vector<int>& kept);

/// Raises the soft limit of open descriptors to `most`, and the hard one if the process may. What is possible
/// is done; returns the limit as it is then.
std::size_t make_room_for_descriptors(std::size_t most);

/// Points descriptors 0, 1 and (unless `keep_stderr`) 2 at /dev/null.
void detach_standard_streams(bool keep_stderr);

}  // namespace postoffice
