// A client that the listener holds: on its way to a session process, or parked while it is silent.
#pragma once

#include <chrono>

#include "postoffice/base/fd.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/mail/reply.h"
#include "postoffice/policy/session_state.h"

namespace postoffice {

struct AcceptedClient {
    Fd socket;
    IpAddress address;
    SessionState state;
    std::chrono::steady_clock::time_point since{};  ///< that it is parked, or waits for a process

    /// A front end of `proxy=` that has not named its client yet.
    bool is_front_end() const { return state.phase == SessionState::Phase::announced; }
    /// Says a temporary refusal, in the words of the client's protocol. Never waits. Where TLS is expected,
    /// nothing can be said in the clear: then it does nothing.
    void refuse(const Reply& reply) const;
    /// Never waits for the peer.
    void close();
};

inline const Reply shutting_down{421, "4.3.2", "This host is shutting down; try again later"};

}  // namespace postoffice
