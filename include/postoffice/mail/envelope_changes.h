// What a filter wants changed of an envelope: as it was said, nothing of it is routed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "postoffice/mail/envelope.h"

namespace postoffice {

struct EnvelopeChanges {
    struct Sender {
        Address address;  ///< null for <>
        std::optional<ReturnPart> return_part{};
        std::optional<std::string> envelope_id{};
    };
    struct Recipient {
        bool is_added = false;  ///< false: it is removed
        WireEnvelope::To to;
    };
    std::optional<Sender> sender{};
    std::vector<Recipient> recipients{};  ///< in the order in which they were asked for
    std::optional<std::string> hold{};    ///< the message is to be held in the queue, for this reason

    bool empty() const { return !sender && recipients.empty() && !hold; }
    /// What another filter wants besides.
    void add(const EnvelopeChanges& later);
};

/// As a filter says them: "<bob@b.test>" or "bob@b.test", and ESMTP parameters, of which NOTIFY and ORCPT
/// count for a recipient, RET and ENVID for a sender. nullopt if a part of it cannot be understood.
std::optional<WireEnvelope::To> parse_added_recipient(std::string_view address, std::string_view parameters);
std::optional<EnvelopeChanges::Sender> parse_changed_sender(std::string_view address,
                                                            std::string_view parameters);

}  // namespace postoffice
