// The structs between the listener and its session processes, over a packet socketpair each.
#pragma once

#include <cstdint>

#include "postoffice/policy/session_state.h"

namespace postoffice {

/// Listener to session process; one descriptor with it: the client's socket. The answer is a SessionEnded.
struct ClientHandover {
    SessionState state;
    std::uint32_t park_after = 0;  ///< milliseconds of silence after which the client comes back; 0 = never
};

/// Session process to listener. With all but `ready`, the client's socket comes along. After `refused` the
/// process ends: the client is for another one.
struct SessionEnded {
    enum class How : std::uint8_t { ready, parked, refused } how = How::ready;
    SessionState state;  ///< of the client that comes along
};

}  // namespace postoffice
