// The report to the sender what became of a message: multipart/report (RFC 6522) with a text for people, a
// message/delivery-status (RFC 3464, RFC 6533) for programs, and the message itself or its header.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/queue/journal.h"
#include "postoffice/queue/message.h"

namespace postoffice {

/// What is said of a recipient, RFC 3464 section 2.3.3. One report tells of failures, or of delays, or of
/// what went well, which are the last three.
enum class DsnAction { failed, delayed, delivered, relayed, expanded };

struct DsnRequest {
    struct Entry {
        std::size_t index;  ///< of the recipient in the journal, counted from 0
        DsnAction action;
    };
    std::string id;        ///< queue id of the report
    std::string hostname;  ///< the host that reports
    Address to;            ///< usually the sender; postmaster where there is none
    UnixTime now = 0;
    std::vector<Entry> entries;  ///< at least one, all of the same kind
    UnixTime retry_until = 0;    ///< when delayed: how long it is tried
    bool about_others = false;   ///< `to` did not send the message: postmaster, or the owner of a list
};

/// Writes the report into the empty message `report`; it is to be sent from the null path (RFC 3464 section
/// 2). `original`: the message, open for reading, or -1 if it cannot be read any more: the report then says
/// so. Returns what MAIL must say of it. Only to a sender whose address needs SMTPUTF8 the report needs it
/// too. Throws std::system_error.
MailParameters write_dsn(Message& report, const Journal& journal, const DsnRequest& request, int original);

/// Messages up to this size are returned whole with a failure, unless the sender asked for the header alone;
/// of larger ones only the header.
inline constexpr std::size_t most_returned_octets = 65536;

}  // namespace postoffice
