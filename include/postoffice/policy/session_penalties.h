// What counts against a client within its session, besides plain mistakes: asking without sending, and
// guessing names of recipients.
#pragma once

#include <cstdint>

#include "postoffice/base/clock.h"

namespace postoffice {

/// Flat: it travels with a parked client.
struct SessionPenalties {
    std::uint16_t idle_commands = 0;       ///< since the last message
    std::uint16_t recipients = 0;          ///< accepted
    std::uint16_t refused_recipients = 0;  ///< for good
    std::uint8_t mail_was_refused = 0;     ///< the last MAIL: patience is a tenth of what it was

    /// NOOP, RSET, HELP and the like. True if it counts as a mistake by now.
    [[nodiscard]] bool note_idle_command();
    /// True if it counts as a mistake by now: refused ones outnumber the others by more than `most_errors`.
    [[nodiscard]] bool note_refused_recipient(unsigned most_errors);
    void note_accepted_recipient();
    void note_accepted_message();

    /// Before a recipient is refused; grows up to `longest`.
    Milliseconds pause(Milliseconds longest) const;
};

}  // namespace postoffice
