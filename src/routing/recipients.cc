#include "postoffice/routing/recipients.h"

#include <utility>

namespace postoffice {
namespace {

// A list's owner as sender makes a difference: the same message, but other people hear of its failure.
std::string destination_key(const Route::Hop& hop) {
    std::string key = destination_key(hop.destination);
    if (hop.new_sender) key.append("\n").append(hop.sender.to_string());
    return key;
}

// What travels on to one of the places that an address leads to (RFC 3461 section 5.2.7).
RecipientWishes wishes_for(const Route::Hop& hop, std::size_t hops, const RecipientWishes& wishes) {
    // A list sends its messages anew (5.2.7.1): its members hear under their own names, and so does its
    // owner.
    if (hop.new_sender) return {{}, original_recipient_of(hop.destination.address)};
    // One forwarding address takes the place of the one before (5.2.7.2).
    if (hops == 1) return wishes;
    // With several, the sender hears from us that the alias was reached, and not of each of them (5.2.7.3).
    return {wishes.notify.without_success(), wishes.original_recipient};
}

}  // namespace

void RecipientCollector::add(const Address& original, const Route& route, const RecipientWishes& wishes) {
    std::optional<Address> owner;
    for (const Route::Hop& hop : route.hops) {
        if (hop.new_sender) owner = hop.sender;
        const RecipientWishes own = wishes_for(hop, route.hops.size(), wishes);
        const auto [place, is_new] = destinations_.emplace(destination_key(hop), recipients_.size());
        if (!is_new) {
            Notify& notify = recipients_[place->second].wishes.notify;
            notify = combined(notify, own.notify);
            continue;
        }
        Recipient recipient{original, hop.destination, std::nullopt, own};
        if (hop.new_sender) recipient.sender = hop.sender;
        recipient.disclosed = hop.disclosed;
        recipients_.push_back(std::move(recipient));
    }
    for (const Route::Hop& hop : route.skipped_members)
        if (destinations_.emplace(destination_key(hop), recipients_.size()).second)
            skipped_.push_back(
                {original, hop.destination, hop.sender, {{}, original_recipient_of(original)}});
    if (wishes.notify.success && (owner || route.hops.size() > 1))
        expanded_.push_back({original, {Destination::Unrouted{}, original}, owner, wishes});
}

void RecipientCollector::add_unrouted(const Address& original, const RecipientWishes& wishes) {
    Route route;
    route.hops.push_back({{Destination::Unrouted{}, original}, {}});
    add(original, route, wishes);
}

void RecipientCollector::move_to(Envelope& envelope) {
    destinations_.clear();
    envelope.recipients = std::exchange(recipients_, {});
    for (Recipient& recipient : std::exchange(skipped_, {}))
        if (!envelope.sender.is_null()) envelope.recipients.push_back(std::move(recipient));
    envelope.expanded = std::exchange(expanded_, {});
}

}  // namespace postoffice
