// What unfinished messages take of the spool, by the client that they come from. They are no promise yet, and
// a client that sends slowly holds their space for hours: one client must not hold what all others need.
//
// A table of places in memory that all session processes share, one for each message that has a file. No
// lock: each place is written by the process that has it; the listener frees the places of a process that has
// ended. A captured session can write here what it likes; then mail is refused for the time being, and no
// more.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "postoffice/base/shared_memory.h"

namespace postoffice {

class SpoolShares {
  public:
    /// Make it before the processes that use it are forked. Throws std::system_error.
    explicit SpoolShares(std::size_t places);

    /// Octets that unfinished messages of this owner hold.
    std::uint64_t held_by(std::uint64_t owner) const;
    /// The process has ended, whatever it held.
    void release(pid_t process);

  private:
    friend class SpoolShare;
    struct Place;
    Place* claim(std::uint64_t owner) const;

    std::size_t count_;
    SharedMemory memory_;
    Place* places_;  // at its start
};

/// That of one message.
class SpoolShare {
  public:
    /// `owner`: text by which the client is counted. Keeps the reference.
    SpoolShare(SpoolShares& shares, std::string_view owner);
    ~SpoolShare();  ///< the message is finished, or abandoned
    SpoolShare(const SpoolShare&) = delete;
    SpoolShare& operator=(const SpoolShare&) = delete;

    /// The message holds so much now. False: the unfinished messages of its client hold more than they leave
    /// to others, which is `free`.
    bool hold(std::uint64_t octets, std::uint64_t free);

  private:
    SpoolShares& shares_;
    std::uint64_t owner_;
    SpoolShares::Place* place_ = nullptr;  // once it holds something, unless there is none
};

}  // namespace postoffice
