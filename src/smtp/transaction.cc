#include "transaction.h"

#include <algorithm>

#include "postoffice/base/clock.h"

namespace postoffice {
namespace {

// Equal for hops that would bring the same person the same message twice.
std::string destination_key(const Route::Hop& hop, const Address& sender) {
    const Target& target = hop.target;
    std::string key =
        target.kind == Target::Kind::mailbox ? "u" + target.user : "a" + target.address.to_string();
    return key.append("\n").append(sender.to_string());
}

}  // namespace

void Transaction::open(Address sender, Body body) {
    *this = Transaction();
    is_open_ = true;
    sender_ = std::move(sender);
    body_ = body;
}

Envelope& Transaction::envelope_for(const Address& sender) {
    const auto found = std::find_if(envelopes_.begin(), envelopes_.end(),
                                    [&](const Envelope& envelope) { return envelope.sender == sender; });
    if (found != envelopes_.end()) return *found;
    Envelope& envelope = envelopes_.emplace_back();
    envelope.sender = sender;
    return envelope;
}

void Transaction::add_recipient(const Address& original, const Route& route) {
    if (originals_.empty()) first_original_ = original;
    originals_.insert(original.to_string());
    for (const auto& hop : route.hops) {
        const Address& sender = hop.new_sender ? hop.sender : sender_;
        if (destinations_.insert(destination_key(hop, sender)).second)
            envelope_for(sender).recipients.push_back({original, hop.target});
    }
}

Address Transaction::single_recipient() const {
    return originals_.size() == 1 ? first_original_ : Address();
}

std::vector<Envelope> Transaction::take_envelopes(const Origin& origin, bool has_eight_bit) {
    const UnixTime now = now_unix();
    for (auto& envelope : envelopes_) {
        envelope.body =
            has_eight_bit ? Body::eight_bit_mime : body_;  // what a client does counts, not what it says
        envelope.origin = origin;
        envelope.arrived = now;
    }
    auto envelopes = std::move(envelopes_);
    *this = Transaction();
    return envelopes;
}

}  // namespace postoffice
