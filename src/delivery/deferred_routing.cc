#include "deferred_routing.h"

#include <exception>
#include <string>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/routing/recipients.h"

namespace postoffice {

DeliveryResult DeferredRouting::deliver(const QueueEntry& entry, std::size_t recipient, int message) try {
    using Outcome = DeliveryResult::Outcome;
    Envelope envelope = entry.journal().envelope;
    const Recipient late = envelope.recipients.at(recipient);
    const Route route = services_.router().route(late.destination.address);
    if (route.status == Route::Status::temporary) return {Outcome::deferred, route.refusal, ""};
    if (route.status == Route::Status::unknown) return {Outcome::failed, route.refusal, ""};

    RecipientCollector places;
    places.add(late.original, route, late.wishes);
    places.move_to(envelope);
    envelope.elsewhere.clear();
    envelope.sent_by.reset();
    Message copy(spool_.directory());
    copy.append_copy_of(message);
    const std::string id = Spool::new_id();
    const Reply reply = services_.acceptor().accept(id, envelope, copy);
    if (!reply.is_positive()) return {reply.is_temporary() ? Outcome::deferred : Outcome::failed, reply, ""};

    DeliveryResult result = delivered("Goes on as " + id, id);
    result.notice_passed_on = true;
    return result;
} catch (const std::exception& error) {
    log_event(entry.id(), "not-routed", {{"reason", in_plain_words(error)}});
    return deferred("4.3.0", "where it leads could not be found out");
}

}  // namespace postoffice
