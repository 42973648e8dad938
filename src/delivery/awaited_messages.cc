#include "postoffice/delivery/awaited_messages.h"

#include <algorithm>
#include <utility>

namespace postoffice {

bool AwaitedMessages::has_room_for(const StatusWriter& status) const {
    if (writers_.size() >= most) return false;
    if (status.sees_all()) return true;
    const uid_t owner = status.owner();
    const auto own = std::count_if(writers_.begin(), writers_.end(),
                                   [owner](const auto& other) { return other.second.owner() == owner; });
    return static_cast<std::size_t>(own) < most_of_one_user;
}

void AwaitedMessages::add(const std::string& id, StatusWriter status) {
    if (!status) return;
    // They leave after a while, whatever has become of their messages.
    if (!has_room_for(status))
        std::erase_if(writers_, [](const auto& one) { return !one.second.has_reader(); });
    if (has_room_for(status)) writers_[id] = std::move(status);
}

const StatusWriter* AwaitedMessages::find(const std::string& id) const {
    const auto found = writers_.find(id);
    return found == writers_.end() ? nullptr : &found->second;
}

}  // namespace postoffice
