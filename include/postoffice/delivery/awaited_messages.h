// Whose outcome somebody waits for: the runner's list of those who submitted a message and watch its
// delivery. It is short, so that no number of them holds the server's descriptors, and no user has all of it.
#pragma once

#include <map>
#include <string>

#include "postoffice/queue/delivery_status.h"

namespace postoffice {

class AwaitedMessages {
  public:
    /// Too many: the one who waits is told nothing more, and his message is delivered like any other.
    void add(const std::string& id, StatusWriter status);
    /// nullptr if nobody waits.
    const StatusWriter* find(const std::string& id) const;
    /// There is nothing more to tell of it for now.
    void end(const std::string& id) { writers_.erase(id); }

    static constexpr std::size_t most = 64;
    static constexpr std::size_t most_of_one_user = 16;  ///< who may not see all

  private:
    bool has_room_for(const StatusWriter& status) const;

    std::map<std::string, StatusWriter> writers_;
};

}  // namespace postoffice
