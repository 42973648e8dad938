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

/// What the client is told, if `spam` does not accept the message: `refusal`, whose text is the reason, or in
/// its place that of spam=bounce:WHY; `before` is put in front. nullopt: the message goes on, to be marked.
std::optional<Reply> refusal_of_unwanted(const UnwantedMail& spam, Reply refusal,
                                         std::string_view before = "");

/// Why a message is unwanted that goes on all the same; the first verdict counts.
struct Unwanted {
    std::string why = {};                   ///< one line, for an X-Spam field; empty: it is not unwanted
    MailFolder folder = MailFolder::inbox;  ///< of those of its recipients that are mailboxes here

    explicit operator bool() const { return !why.empty(); }
    /// Takes in a verdict; `reason` may have several lines, or none.
    void add(const UnwantedMail& spam, std::string reason);
};

}  // namespace postoffice
