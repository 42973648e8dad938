// What shows the spawner that a client has logged in, so that an agent may open its mailbox for reading. A
// session process may have been captured: it cannot name a mailbox, it can only pass on a ticket that the
// authenticator made after a right password. Both have the key; no other process has.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/base/packet.h"

namespace postoffice {

struct MailboxTicket {
    FixedString<256> mailbox;  ///< of an account, "alice", or a virtual one, "bob@virtual.example"
    std::int64_t issued = 0;   ///< seconds of the monotonic clock
    std::uint64_t seal = 0;    ///< fits the two alone
};

class TicketKey {
  public:
    /// A new one. Throws std::system_error.
    TicketKey();
    /// A ticket of now. Empty, and not valid, if the name is too long.
    MailboxTicket ticket_for(const std::string& mailbox) const;
    /// Made with this key, and at most a minute old.
    bool is_valid(const MailboxTicket& ticket) const;

  private:
    std::uint64_t seal_of(const MailboxTicket& ticket) const;

    std::array<std::uint64_t, 2> key_{};
};

}  // namespace postoffice
