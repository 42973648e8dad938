#include "postoffice/routing/envelope_edit.h"

#include <algorithm>
#include <utility>

#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/routing/recipients.h"

namespace postoffice {
namespace {

/// Filters write addresses as they please: the case of a local part makes no difference here.
bool is_same(const Address& a, const Address& b) {
    return a.domain() == b.domain() && equals_ignoring_case(a.local_part(), b.local_part());
}

void remove(std::vector<Recipient>& recipients, const Address& original) {
    std::erase_if(recipients,
                  [&](const Recipient& recipient) { return is_same(recipient.original, original); });
}

/// The recipients of the envelope count as there already.
void append_new(std::vector<Recipient>& recipients, std::vector<Recipient>&& more) {
    const std::size_t before = recipients.size();
    for (Recipient& recipient : more) {
        const auto is_there = [&](const Recipient& other) {
            return other.destination == recipient.destination && other.sender == recipient.sender;
        };
        const auto end = recipients.begin() + static_cast<std::ptrdiff_t>(before);
        if (std::none_of(recipients.begin(), end, is_there)) recipients.push_back(std::move(recipient));
    }
}

void add(Envelope& envelope, const WireEnvelope::To& to, const Address& original, Router& router,
         const std::string& id) {
    const auto is_there = [&](const Recipient& recipient) { return is_same(recipient.original, original); };
    if (std::any_of(envelope.recipients.begin(), envelope.recipients.end(), is_there)) return;
    const Route route = router.route(original);
    if (route.status == Route::Status::unknown) {
        log_event(id, "filter-recipient-unknown",
                  {{"to", "<" + original.to_string() + ">"}, {"reply", route.refusal.line()}});
        return;
    }
    RecipientCollector collector;
    if (route.status == Route::Status::temporary)
        collector.add_unrouted(original, to.wishes);
    else
        collector.add(original, route, to.wishes);
    Envelope added;
    added.sender = envelope.sender;
    collector.move_to(added);
    append_new(envelope.recipients, std::move(added.recipients));
    envelope.expanded.insert(envelope.expanded.end(), added.expanded.begin(), added.expanded.end());
}

}  // namespace

void apply_changes(Envelope& envelope, const EnvelopeChanges& changes, Router& router,
                   const std::string& hostname, const std::string& id) {
    if (const auto& sender = changes.sender) {
        envelope.sender = sender->address.is_null() ? Address() : sender->address.qualified(hostname);
        if (sender->return_part) envelope.parameters.return_part = *sender->return_part;
        if (sender->envelope_id) envelope.parameters.envelope_id = *sender->envelope_id;
    }
    for (const EnvelopeChanges::Recipient& change : changes.recipients) {
        const Address original = change.to.address.qualified(hostname);
        if (change.is_added) {
            add(envelope, change.to, original, router, id);
            continue;
        }
        remove(envelope.recipients, original);
        remove(envelope.expanded, original);
    }
    if (changes.hold) envelope.hold = changes.hold;
}

}  // namespace postoffice
