// Of the messages under way each owner of mail has a share, so that no owner takes all places: a user of this
// host, a client as its rates are counted, or all reports together. Other messages of the owner wait here,
// neither open nor locked.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "postoffice/mail/envelope.h"

namespace postoffice {

class MessageShares {
  public:
    static std::string owner_of(const Origin& origin);

    /// `places_left`: among the messages under way. An owner may have twice as many as are left: one owner
    /// gets two thirds, and the next owner always some.
    bool has_share(const std::string& owner, std::size_t places_left) const;
    /// A message of this owner is under way, and is not any more.
    void begin(const std::string& owner) { ++shares_[owner].active; }
    void end(const std::string& owner);

    /// The message waits until its owner has a share.
    void add_waiting(const std::string& owner, const std::string& id);
    std::vector<std::string> owners_waiting() const;
    /// The next message that waits, no longer here; nullopt if the owner has none or no share.
    std::optional<std::string> next(const std::string& owner, std::size_t places_left);
    /// A message waits whose owner has a share.
    bool can_go_on(std::size_t places_left) const;
    /// Forgets the messages that wait.
    void clear_waiting();

  private:
    struct Share {
        std::size_t active = 0;
        std::deque<std::string> waiting;
    };
    std::map<std::string, Share> shares_;
};

}  // namespace postoffice
