#include "postoffice/delivery/watched_messages.h"

#include <algorithm>
#include <utility>

namespace postoffice {

bool WatchedMessages::has_room_for(const Watch& watch) const {
    if (watches_.size() >= most) return false;
    if (watch.sees_all()) return true;
    const uid_t owner = watch.owner();
    const auto own = std::count_if(watches_.begin(), watches_.end(),
                                   [owner](const auto& other) { return other.second.owner() == owner; });
    return static_cast<std::size_t>(own) < most_of_one_user;
}

void WatchedMessages::add(const std::string& id, Watch watch) {
    if (!watch) return;
    // They leave after a while, whatever has become of their messages.
    if (!has_room_for(watch))
        std::erase_if(watches_, [](const auto& one) { return !one.second.is_attended(); });
    if (has_room_for(watch)) watches_[id] = std::move(watch);
}

const Watch* WatchedMessages::find(const std::string& id) const {
    const auto found = watches_.find(id);
    return found == watches_.end() ? nullptr : &found->second;
}

}  // namespace postoffice
