#include "postoffice/mail/recipients.h"

#include <utility>

namespace postoffice {
namespace {

// Equal for hops that would bring the same person the same message twice. A list's owner as sender makes a
// difference: the same message, but other people hear of its failure.
std::string destination_key(const Route::Hop& hop) {
    const Target& target = hop.target;
    std::string key = target.kind == Target::Kind::mailbox  ? "u" + target.user
                      : target.kind == Target::Kind::remote ? "a" + target.address.to_string()
                      : target.kind == Target::Kind::discard
                          ? "nowhere"
                          : "i" + target.user + "\n" + target.alias + "\n" + target.instruction;
    if (hop.new_sender) key.append("\n").append(hop.sender.to_string());
    return key;
}

}  // namespace

void RecipientCollector::add(const Address& original, const Route& route) {
    for (const Route::Hop& hop : route.hops) {
        if (!destinations_.insert(destination_key(hop)).second) continue;
        Recipient recipient{original, hop.target, std::nullopt};
        if (hop.new_sender) recipient.sender = hop.sender;
        recipients_.push_back(std::move(recipient));
    }
}

std::vector<Recipient> RecipientCollector::take() {
    destinations_.clear();
    return std::exchange(recipients_, {});
}

}  // namespace postoffice
