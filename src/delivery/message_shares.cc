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
    return share == shares_.end() || share->second.active < 2 * places_left;
}

void MessageShares::end(const std::string& owner) {
    const auto share = shares_.find(owner);
    --share->second.active;
    if (share->second.active == 0 && share->second.waiting.empty()) shares_.erase(share);
}

void MessageShares::add_waiting(const std::string& owner, const std::string& id) {
    shares_[owner].waiting.push_back(id);
}

std::vector<std::string> MessageShares::owners_waiting() const {
    std::vector<std::string> owners;
    for (const auto& [owner, share] : shares_)
        if (!share.waiting.empty()) owners.push_back(owner);
    return owners;
}

std::optional<std::string> MessageShares::next(const std::string& owner, std::size_t places_left) {
    const auto share = shares_.find(owner);
    if (share == shares_.end() || share->second.waiting.empty() || !has_share(owner, places_left))
        return std::nullopt;
    std::string id = std::move(share->second.waiting.front());
    share->second.waiting.pop_front();
    return id;
}

bool MessageShares::can_go_on(std::size_t places_left) const {
    return std::any_of(shares_.begin(), shares_.end(), [&](const auto& entry) {
        return !entry.second.waiting.empty() && has_share(entry.first, places_left);
    });
}

void MessageShares::clear_waiting() {
    for (auto& [owner, share] : shares_) share.waiting.clear();
}

}  // namespace postoffice
