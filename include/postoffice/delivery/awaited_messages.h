// Messages whose submitters wait for the outcome, as the runner knows them. The list is short, so that they
// do not use up the server's descriptors, and no user has all of it.
#pragma once

#include <map>
#include <string>

#include "postoffice/queue/delivery_status.h"

namespace postoffice {

class AwaitedMessages {
  public:
    /// If there are too many, this submitter is told nothing more; the message is delivered like any other.
    void add(const std::string& id, StatusWriter status);
    /// nullptr if no submitter waits.
    const StatusWriter* find(const std::string& id) const;
    /// There is nothing more to tell of it for now.
    void end(const std::string& id) { writers_.erase(id); }

    static constexpr std::size_t most = 64;
    static constexpr std::size_t most_of_one_user = 16;  ///< that may not see all

  private:
    bool has_room_for(const StatusWriter& status) const;

    std::map<std::string, StatusWriter> writers_;
};

}  // namespace postoffice
