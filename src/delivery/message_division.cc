#include "postoffice/delivery/message_division.h"

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr UnixTime fresh = 60;  // a route of less than a minute ago is used as it is for the first attempt

DestinationKey here(std::string name) {
    return {true, std::move(name), {}};
}

DestinationKey key_of_slow_mailbox(const Destination& destination) {
    return here("mailbox " + describe(destination));
}

}  // namespace

DestinationKey MessageDivision::key_of(const Destination& destination, const Address& sender) const {
    if (destination.is<Destination::Discard>()) return here("");
    if (destination.is_mailbox()) {
        // One that did not answer soon has agents of its own, which wait for it.
        const DestinationKey own = key_of_slow_mailbox(destination);
        return known_.contains(own) ? own : here("");
    }
    if (destination.is<Destination::Unrouted>()) return here("unrouted " + destination.address.to_string());
    const bool is_here = config_.routing.mxpool && events_.is_ours(destination.address);
    if (destination.is<Destination::Remote>())
        return {false, "", next_hops_.find(destination.address, sender, is_here).next_hop};
    // A slow program delays only other mail of the same account or alias.
    const auto* source = source_of(destination);
    return here(source != nullptr ? describe(*source) : account_of(destination));
}

/// The account whose rights a local agent gets for it, or whose files it reads.
std::string MessageDivision::account_for(const Destination& destination) const {
    if (destination.is<Destination::Discard>()) return "";
    if (destination.is<Destination::Unrouted>()) return account_for(destination.address);
    if (auto domain = virtual_domain_of(destination); !domain.empty()) return events_.owner_of(domain);
    const auto* source = source_of(destination);
    const bool is_in_alias = source != nullptr && std::holds_alternative<Destination::InHostAlias>(*source);
    return is_in_alias ? config_.routing.alias_user : account_of(destination);
}

std::string MessageDivision::account_for(const Address& address) const {
    if (std::string owner = events_.owner_of(address.domain()); !owner.empty()) return owner;
    const std::string& name = address.local_part();
    return to_lower(name.substr(0, name.find_first_of(config_.routing.recipient_delimiter, 1)));
}

MessageDivision::Parts MessageDivision::parts_for_now(const Journal& journal, bool& is_withheld) {
    next_hops_.refresh();
    Parts parts;
    for (std::uint32_t i = 0; i < journal.recipients.size(); ++i) {
        if (journal.recipients[i].status != RecipientState::Status::waiting) continue;
        const Destination& destination = journal.envelope.recipients[i].destination;
        const DestinationKey key = key_of(destination, journal.envelope.sender);
        const auto [part, is_new] = parts.try_emplace(key);
        if (is_new && key.is_local && !key.local_name.empty())
            part->second.account = account_for(destination);
        part->second.recipients.push_back(i);
    }
    is_withheld = !events_.may_leave(journal) &&
                  std::erase_if(parts, [](const auto& part) { return !part.first.is_local; }) > 0;
    return parts;
}

/// An address elsewhere whose mail goes to another host is not routed before each attempt, unless its route
/// is an alias now: its next hop is looked up then.
bool MessageDivision::may_lead_elsewhere(const Recipient& recipient, const Address& sender) const {
    const Destination& destination = recipient.destination;
    if (destination.is<Destination::Unrouted>()) return false;
    if (!destination.is<Destination::Remote>() || events_.is_ours(recipient.original)) return true;
    return next_hops_.find(destination.address, sender).next_hop.is<NextHop::Alias>();
}

MessageDivision::Parts MessageDivision::to_route_again(const Journal& journal) {
    next_hops_.refresh();
    const bool is_fresh = now_unix() - journal.envelope.arrived < fresh;
    std::vector<std::uint32_t> found;
    for (std::uint32_t i = 0; i < journal.recipients.size(); ++i) {
        const RecipientState& state = journal.recipients[i];
        const Recipient& recipient = journal.envelope.recipients[i];
        const bool is_first_attempt = state.last.reply.text.empty() && is_fresh;
        if (state.status == RecipientState::Status::waiting && !is_first_attempt &&
            may_lead_elsewhere(recipient, journal.envelope.sender))
            found.push_back(i);
    }
    if (found.empty()) return {};
    const Address& first = journal.envelope.recipients[found.front()].original;
    return {{here("routing " + first.to_string()), Part{account_for(first), found}}};
}

std::pair<DestinationKey, std::string> MessageDivision::slow_mailbox(const Destination& destination) const {
    return {key_of_slow_mailbox(destination), account_for(destination)};
}

}  // namespace postoffice
