// Waiting until one of many descriptors can be read: epoll(7).
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "postoffice/base/fd.h"

namespace postoffice {

class Epoll {
  public:
    /// Throws std::system_error, as add() and wait() do.
    Epoll();
    /// The descriptor stays the caller's; its close removes it.
    void add(int fd);
    void remove(int fd);
    /// Waits up to `milliseconds`, for ever with -1. Returns the descriptors that can be read or are at their
    /// end, some of many; valid until the next call. Empty also after a signal.
    std::span<const int> wait(int milliseconds);

    static constexpr std::size_t most_at_a_time = 64;

  private:
    Fd epoll_;
    std::array<int, most_at_a_time> readable_{};
};

}  // namespace postoffice
