#include "rerouting.h"

#include <algorithm>
#include <string>

#include "postoffice/base/log.h"
#include "postoffice/net/mx.h"

namespace postoffice {
namespace {

using Outcome = DeliveryResult::Outcome;

/// A user whose files are slow to read keeps what was known of them, and so do other recipients of the
/// message whose files are told by the same agent.
constexpr Milliseconds patience{5'000};
constexpr Milliseconds avoidance{30'000};

bool leads_to(const Route& route, const Destination& destination) {
    return std::any_of(route.hops.begin(), route.hops.end(), [&](const Route::Hop& hop) {
        return destination_key(hop.destination) == destination_key(destination);
    });
}

/// RFC 3461 section 5.2.7: one address takes the place of another; of several the sender hears no success.
RecipientWishes wishes_for(const Route& route, const RecipientWishes& wishes) {
    if (route.hops.size() == 1) return wishes;
    return {wishes.notify.without_success(), wishes.original_recipient};
}

/// Another message, under the sender that this destination is to have, takes care of it.
bool is_left_to_another(const Envelope& envelope, const Route::Hop& hop) {
    const Address sender = hop.new_sender ? hop.sender : envelope.sent_by.value_or(envelope.sender);
    return sender != envelope.sender &&
           std::any_of(envelope.elsewhere.begin(), envelope.elsewhere.end(),
                       [&](const Recipient& other) { return other.sender == sender; });
}

}  // namespace

Rerouting::Rerouting(const Config& config, SpawnerHandle spawner)
    : aliases_(config.routing.aliases),
      users_(config.identity.only_user),
      agents_(spawner, patience, config.local.command_timeout, avoidance),
      files_(config, agents_),
      router_(config, aliases_, users_, files_, interface_addresses()) {}

std::optional<DeliveryResult> Rerouting::route_again(QueueEntry& entry, std::size_t index) {
    const Recipient recipient = entry.journal().envelope.recipients[index];
    const Route route = router_.route(recipient.original);
    if (route.status == Route::Status::temporary || leads_to(route, recipient.destination))
        return std::nullopt;
    if (route.status == Route::Status::unknown) return DeliveryResult{Outcome::failed, route.refusal, ""};

    const RecipientWishes wishes = wishes_for(route, recipient.wishes);
    std::string now;
    for (const Route::Hop& hop : route.hops) {
        Recipient next{recipient.original, hop.destination, {}, wishes};
        next.disclosed = hop.disclosed;
        if (is_left_to_another(entry.journal().envelope, hop) || leads_there_already(entry.journal(), next))
            continue;
        entry.add(next);
        now += (now.empty() ? "" : ", ") + describe(hop.destination);
    }
    log_event(entry.id(), "rerouted",
              {{"to", "<" + recipient.original.to_string() + ">"},
               {"target", describe(recipient.destination)},
               {"new-target", now.empty() ? "nowhere else" : now}});
    DeliveryResult result = delivered(now.empty() ? "Leads there no more" : "Leads elsewhere now");
    result.reply.status = "2.1.5";
    result.notice_passed_on = true;
    return result;
}

}  // namespace postoffice
