// Filters in the SMTP dialogue: each verb asks them when its own checks have passed. A client that skips them
// all, or a host without filters, costs nothing here.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dialogue.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/reply.h"
#include "postoffice/queue/message.h"

namespace postoffice {

/// In MAIL, whose transaction is open; filters hear of the client here first. `parameters`: ESMTP, as the
/// client wrote them.
std::optional<Reply> filter_sender(Dialogue& dialogue, std::string_view parameters);
/// In RCPT, for a recipient that would be accepted.
std::optional<Reply> filter_recipient(Dialogue& dialogue, const Address& recipient,
                                      std::string_view parameters, bool is_local);
/// In RCPT, for a recipient that was refused with `reply`, for filters that want to know.
void tell_filters_of_refusal(Dialogue& dialogue, std::string_view argument, const Reply& reply);
/// Before a message is read.
std::optional<Reply> filter_data(Dialogue& dialogue);
/// For a command that this server does not know.
std::optional<Reply> filter_unknown(Dialogue& dialogue, std::string_view line);

struct FilterOutcome {
    std::unique_ptr<Message> message{};  ///< in place of the one that came; null: it is unchanged
    std::string discarded_by{};          ///< the filter that wants it thrown away; empty: none does
    Unwanted unwanted{};                 ///< as FilteredMessage has it
};
/// For a message that is complete. Changes the envelope as filters want. Throws std::system_error if the
/// changes cannot be stored.
std::optional<Reply> filter_message(Dialogue& dialogue, Message& message, Envelope& envelope,
                                    FilterOutcome& outcome);
/// Whatever became of the message at hand.
void end_filtered_message(Dialogue& dialogue);

}  // namespace postoffice
