#include "transaction.h"

#include "postoffice/base/clock.h"

namespace postoffice {
void Transaction::open(Address sender, Body body) {
    *this = Transaction();
    is_open_ = true;
    sender_ = std::move(sender);
    body_ = body;
}

void Transaction::add_recipient(const Address& original, const Route& route) {
    if (originals_.empty()) first_original_ = original;
    originals_.insert(original.to_string());
    recipients_.add(original, route);
}

Address Transaction::single_recipient() const {
    return originals_.size() == 1 ? first_original_ : Address();
}

Envelope Transaction::take_envelope(Origin origin, bool has_eight_bit) {
    Envelope envelope;
    envelope.sender = std::move(sender_);
    envelope.body =
        has_eight_bit ? Body::eight_bit_mime : body_;  // what a client does counts, not what it says
    envelope.recipients = recipients_.take();
    envelope.origin = std::move(origin);
    envelope.arrived = now_unix();
    *this = Transaction();
    return envelope;
}

}  // namespace postoffice
