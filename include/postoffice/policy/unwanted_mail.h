// Mail that a verdict calls unwanted: of a DNS list, a policy service, a filter, or the program of av=.
// `spam=` decides about it in the same way, whatever the verdict is from.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "postoffice/config/value_types.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/reply.h"

namespace postoffice {

/// Why a message is unwanted that goes on all the same.
struct Unwanted {
    std::string why = {};  ///< one line, for an X-Spam field: of the first verdict; empty: it is not unwanted
    MailFolder folder = MailFolder::inbox;  ///< of those of its recipients that are mailboxes here

    explicit operator bool() const { return !why.empty(); }
    /// A verdict, whose reason is the text of `refusal`. Returns what the client is told with spam=bounce:
    /// the refusal, with the text of spam=bounce:WHY in place of its own, and `before` in front. nullopt:
    /// `spam` accepts the message, and the verdict was added.
    std::optional<Reply> add(const UnwantedMail& spam, Reply refusal, std::string_view before = "");
};

}  // namespace postoffice
