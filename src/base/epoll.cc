#include "postoffice/base/epoll.h"

#include <sys/epoll.h>

#include <cerrno>

#include "postoffice/base/error.h"

namespace postoffice {

Epoll::Epoll() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throw_errno("epoll_create");
}

void Epoll::add(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) throw_errno("epoll_ctl");
}

void Epoll::remove(int fd) {
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

std::span<const int> Epoll::wait(int milliseconds) {
    std::array<epoll_event, most_at_a_time> events;
    const int n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), milliseconds);
    if (n < 0 && errno != EINTR) throw_errno("epoll_wait");
    const std::size_t count = n < 0 ? 0 : static_cast<std::size_t>(n);
    for (std::size_t i = 0; i < count; ++i) readable_[i] = events[i].data.fd;
    return {readable_.data(), count};
}

}  // namespace postoffice
