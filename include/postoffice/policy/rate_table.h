// Counts of what clients did lately, shared by all session processes: messages, recipients, failed logins, by
// address or user. A fixed number of places in memory that the master makes before it forks, so the counts
// outlive a session process and a reload, and no client can make them grow: when the few places that a key
// may have are taken, the entry that was quiet for longest makes room.
//
// There is no lock. A process that is killed or stopped inside keeps no other one waiting and leaves nothing
// torn. A captured session process can write anything here; the counts decide how much is taken from a
// client, never what a client may do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/base/shared_memory.h"

namespace postoffice {

class RateTable {
  public:
    /// 16 octets a place. Throws std::system_error if there is no memory.
    explicit RateTable(std::size_t places = 65536);

    /// Adds to what `key` ("auth-failed 192.0.2.1") did and returns its count within the last `window`, an
    /// estimate that decays evenly (a leaky bucket): of N at once the first is forgotten after an Nth part of
    /// the window, and the last at its end. Rounded up; never above some two million. Use one window for one
    /// kind of key.
    std::uint64_t add(std::string_view key, std::uint64_t amount, Seconds window);
    /// The same, adding nothing.
    std::uint64_t count(std::string_view key, Seconds window) const;
    void forget(std::string_view key);

  private:
    struct Table;
    SharedMemory memory_;
    Table* table_;  // at its start
};

}  // namespace postoffice
