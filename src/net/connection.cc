#include "postoffice/net/connection.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "postoffice/base/error.h"

namespace postoffice {
namespace {

constexpr std::size_t output_limit = 65536;  // more than this is sent without waiting for a read

bool is_gone(int error) {
    return error == ECONNRESET || error == EPIPE || error == ETIMEDOUT || error == ENOTCONN;
}

// False when the deadline passed first.
bool wait_for(int fd, short events, const Deadline& deadline) {
    for (;;) {
        pollfd waiting{fd, events, 0};
        const int n = ::poll(&waiting, 1, deadline.poll_timeout());
        if (n > 0) return true;
        if (n < 0 && errno != EINTR) throw_errno("poll");
        if (n == 0 && deadline.passed()) return false;
    }
}

void make_non_blocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) throw_errno("fcntl");
}

bool is_socket(int fd) {
    int type = 0;
    socklen_t length = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0;
}

}  // namespace

Connection::Connection(Fd socket) : Connection(std::move(socket), Fd()) {}

Connection::Connection(Fd input, Fd output)
    : input_(std::move(input)), output_(std::move(output)), buffer_(new char[buffer_size]) {
    // Only a socket of our own is made non-blocking: the flag belongs to the open file, which other
    // processes (a terminal's shell) may share. Plain descriptors are polled before each call instead.
    if (!output_ && is_socket(input_.get())) make_non_blocking(input_.get());
}

std::size_t Connection::fill(Deadline deadline) {
    if (start_ == end_) start_ = end_ = 0;
    if (end_ == buffer_size && start_ > 0) {
        std::memmove(buffer_.get(), buffer_.get() + start_, end_ - start_);
        end_ -= start_;
        start_ = 0;
    }
    const bool is_shared = static_cast<bool>(output_);
    bool must_wait = is_shared;
    if (!pending_.empty()) {
        flush(deadline);
        must_wait = true;  // a peer that was just written to has not answered yet: a read would be in vain
    }
    if (tls_) {
        const std::size_t n = tls_->read(buffer_.get() + end_, buffer_size - end_, deadline);
        end_ += n;
        return n;
    }
    if (deadline.passed()) throw Timeout("the peer is too slow");  // octets may keep coming, one at a time
    for (;;) {
        if (must_wait && !wait_for(input_.get(), POLLIN, deadline)) throw Timeout("no input from the peer");
        const ssize_t n = ::read(input_.get(), buffer_.get() + end_, buffer_size - end_);
        if (n >= 0) {
            end_ += static_cast<std::size_t>(n);
            return static_cast<std::size_t>(n);
        }
        if (errno == EINTR) continue;
        if (is_gone(errno)) throw PeerGone("connection lost while reading");
        if (errno != EAGAIN && errno != EWOULDBLOCK) throw_errno("read from the peer");
        must_wait = true;
    }
}

Line Connection::read_line(std::size_t most, Deadline deadline) {
    Line line;
    std::size_t looked_at = 0;  // octets after start_ without a line end
    bool is_cut = false;
    for (;;) {
        const char* from = buffer_.get() + start_;
        const void* found = std::memchr(from + looked_at, '\n', end_ - start_ - looked_at);
        if (found != nullptr) {
            auto length = static_cast<std::size_t>(static_cast<const char*>(found) - from);
            start_ += length + 1;
            line.end = LineEnd::bare_lf;
            if (length > 0 && from[length - 1] == '\r') {
                line.end = LineEnd::crlf;
                --length;
            }
            line.text = {from, std::min(length, most)};
            line.status = is_cut || length > most ? Line::Status::too_long : Line::Status::complete;
            return line;
        }
        looked_at = end_ - start_;
        if (looked_at > most + 2) {  // too long already: keep a beginning, drop the rest as it comes
            is_cut = true;
            end_ = start_ + most + 2;
            looked_at = most + 2;
        }
        if (fill(deadline) == 0) {
            line.text = {buffer_.get() + start_, end_ - start_};
            start_ = end_;
            return line;
        }
    }
}

std::string_view Connection::peek(Deadline deadline) {
    if (start_ == end_ && fill(deadline) == 0) return {};
    return {buffer_.get() + start_, end_ - start_};
}

void Connection::consume(std::size_t octets) {
    start_ += std::min(octets, end_ - start_);
}

bool Connection::has_unread_input() const {
    char octet = 0;
    return has_buffered_input() || ::recv(input_.get(), &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool Connection::wait_for_input(Deadline deadline) {
    if (has_buffered_input()) return true;
    if (!pending_.empty()) flush(deadline);
    return wait_for(input_.get(), POLLIN, deadline);
}

bool Connection::wait_for_end(Deadline deadline) {
    if (!pending_.empty()) flush(deadline);
    return wait_for(input_.get(), POLLRDHUP, deadline);
}

void Connection::write(std::string_view text, Deadline deadline) {
    pending_.append(text);
    if (pending_.size() >= output_limit) flush(deadline);
}

void Connection::flush(Deadline deadline) {
    if (tls_) return flush_tls(deadline);
    std::string_view rest = pending_;
    while (!rest.empty()) {
        // Plain descriptors (a pipe to an MUA) know no MSG_NOSIGNAL; SIGPIPE is ignored process-wide.
        const ssize_t n = output_ ? ::write(output_.get(), rest.data(), rest.size())
                                  : ::send(input_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (n >= 0) {
            rest.remove_prefix(static_cast<std::size_t>(n));
            continue;
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait_for(output_fd(), POLLOUT, deadline)) {
                pending_.clear();
                throw Timeout("the peer does not take our output");
            }
            continue;
        }
        const int error = errno;
        pending_.clear();  // the peer does not read it, and a destructor must not try again
        if (is_gone(error)) throw PeerGone("connection lost while writing");
        throw_errno(error, "write to the peer");
    }
    pending_.clear();
}

void Connection::flush_tls(Deadline deadline) {
    const std::string bytes = std::exchange(pending_, {});  // whatever becomes of it, it is not sent again
    tls_->write(bytes, deadline);
}

void Connection::start_tls(const TlsServer& server, Deadline deadline,
                           const std::function<void()>& wait_for_input) {
    end_clear_text(deadline);
    tls_ = std::make_unique<TlsStream>(server, input_.get(), deadline, wait_for_input);
}

void Connection::start_tls(TlsClient& client, const TlsPeer& peer, Deadline deadline) {
    end_clear_text(deadline);
    tls_ = std::make_unique<TlsStream>(client, peer, input_.get(), deadline);
}

// What came in the clear could be taken for what is said under TLS (CVE-2011-0411).
void Connection::end_clear_text(Deadline deadline) {
    flush(deadline);
    if (has_buffered_input()) throw FormatError("input in the clear where TLS was to begin");
}

void Connection::close() noexcept {
    if (tls_) tls_->close();
}

Fd Connection::release_socket() {
    return std::move(input_);
}

}  // namespace postoffice
