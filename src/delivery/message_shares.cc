#include "postoffice/delivery/message_shares.h"

#include <algorithm>
#include <utility>

#include "postoffice/base/ip_address.h"
#include "postoffice/policy/client_rates.h"

namespace postoffice {

std::string MessageShares::owner_of(const Origin& origin) {
    if (origin.submitter.starts_with("report on ")) return "reports";
    if (!origin.submitter.empty()) return origin.submitter;
    const auto address = IpAddress::parse(origin.client_address);
    return address ? rated_network(*address) : origin.client_address;
}

bool MessageShares::has_share(const std::string& owner, std::size_t places_left) const {
    const auto share = shares_.find(owner);
    return share == shares_.end() || is_small(share->second, places_left);
}

void MessageShares::end(const std::string& owner) {
    const auto share = shares_.find(owner);
    --share->second.active;
    if (share->second.active == 0 && share->second.waiting.empty()) shares_.erase(share);
}

void MessageShares::add_waiting(const std::string& owner, const std::string& id,
                                const std::string& destination) {
    Share& share = shares_[owner];
    const Turn turn = ++last_turn_;
    ByDestination::value_type* companions = nullptr;
    if (!destination.empty()) {
        companions = &*by_destination_.try_emplace(destination).first;
        companions->second.emplace(turn, &share);
    }
    share.waiting.emplace(turn, Waiting{id, companions});
}

std::string MessageShares::take(Share& share, std::map<Turn, Waiting>::iterator message) {
    if (auto* companions = message->second.companions) {
        companions->second.erase(message->first);
        if (companions->second.empty()) by_destination_.erase(by_destination_.find(companions->first));
    }
    std::string id = std::move(message->second.id);
    share.waiting.erase(message);
    return id;
}

std::vector<std::string> MessageShares::owners_waiting() const {
    std::vector<std::string> owners;
    for (const auto& [owner, share] : shares_)
        if (!share.waiting.empty()) owners.push_back(owner);
    return owners;
}

std::optional<std::string> MessageShares::next(const std::string& owner, std::size_t places_left) {
    const auto share = shares_.find(owner);
    if (share == shares_.end() || share->second.waiting.empty() || !is_small(share->second, places_left))
        return std::nullopt;
    return take(share->second, share->second.waiting.begin());
}

std::optional<std::string> MessageShares::next_for(const std::string& destination, std::size_t places_left) {
    const auto found = by_destination_.find(destination);
    if (found == by_destination_.end()) return std::nullopt;
    const auto [turn, share] = *found->second.begin();
    if (!is_small(*share, places_left)) return std::nullopt;
    return take(*share, share->waiting.find(turn));
}

bool MessageShares::can_go_on(std::size_t places_left) const {
    return std::any_of(shares_.begin(), shares_.end(), [&](const auto& entry) {
        return !entry.second.waiting.empty() && is_small(entry.second, places_left);
    });
}

void MessageShares::clear_waiting() {
    for (auto& [owner, share] : shares_) share.waiting.clear();
    by_destination_.clear();
}

}  // namespace postoffice
