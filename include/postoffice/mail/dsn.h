// The report to the sender that a message could not be delivered: multipart/report (RFC 6522) with a text for
// people, a message/delivery-status (RFC 3464) for programs, and the message itself or its header.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/journal.h"
#include "postoffice/mail/message.h"

namespace postoffice {

struct DsnRequest {
    std::string id;        ///< queue id of the report
    std::string hostname;  ///< who reports
    Address to;            ///< usually the sender; postmaster where there is none
    UnixTime now = 0;
    std::vector<std::size_t> failed;  ///< which recipients of the journal, counted from 0; at least one
};

/// Writes the report into the empty message `report`; it is to be sent from the null path (RFC 3464 section
/// 2). `original`: the message, open for reading, or -1 if it cannot be read any more: the report then says
/// so. Returns what the envelope of the report must say about its body. Throws std::system_error.
Body write_dsn(Message& report, const Journal& journal, const DsnRequest& request, int original);

/// Messages up to this size are returned whole, of larger ones only the header.
inline constexpr std::size_t most_returned_octets = 65536;

}  // namespace postoffice
