#include "transaction.h"

#include "postoffice/base/clock.h"
#include "postoffice/queue/spool.h"

namespace postoffice {

void Transaction::open(Address sender, MailParameters parameters, Announcement announced) {
    is_open_ = true;
    sender_ = std::move(sender);
    parameters_ = std::move(parameters);
    announced_ = std::move(announced);
    id_ = Spool::new_id();
}

void Transaction::add_recipient(const Address& original, const Route& route, const RecipientWishes& wishes) {
    if (originals_.empty()) first_original_ = original;
    originals_.insert(original.to_string());
    recipients_.add(original, route, wishes);
}

Address Transaction::single_recipient() const {
    return originals_.size() == 1 ? first_original_ : Address();
}

Envelope Transaction::read_envelope(Origin origin, bool has_eight_bit, bool has_eight_bit_header) {
    Envelope envelope;
    envelope.sender = std::move(sender_);
    envelope.parameters = std::move(parameters_);
    // What a client does counts, not what it says.
    if (has_eight_bit) envelope.parameters.body = Body::eight_bit_mime;
    // A header in no known charset has always been passed on as it is; only UTF-8 that was announced as such
    // needs a next host that understands it.
    if (!has_eight_bit_header) envelope.parameters.smtputf8 = false;
    recipients_.move_to(envelope);
    envelope.verdicts = std::move(verdicts_);
    envelope.origin = std::move(origin);
    envelope.arrived = now_unix();
    *this = Transaction();
    return envelope;
}

}  // namespace postoffice
