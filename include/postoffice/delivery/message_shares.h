// Of the messages under way each owner of mail has a share, so that no owner takes all places: a user of this
// host, a client as its rates are counted, or all reports together. Other messages of the owner wait here,
// neither open nor locked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
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

    /// The message waits until its owner has a share. `destination`: the only one that it is for now; "" if
    /// it is for several.
    void add_waiting(const std::string& owner, const std::string& id, const std::string& destination);
    std::vector<std::string> owners_waiting() const;
    /// The next message that waits, no longer here; nullopt if the owner has none or no share.
    std::optional<std::string> next(const std::string& owner, std::size_t places_left);
    /// In the same way the next message that waits for this destination, of any owner.
    std::optional<std::string> next_for(const std::string& destination, std::size_t places_left);
    /// A message waits whose owner has a share.
    bool can_go_on(std::size_t places_left) const;
    /// Forgets the messages that wait.
    void clear_waiting();

  private:
    struct Share;
    using Turn = std::uint64_t;  ///< in the order of add_waiting()
    using ByDestination = std::unordered_map<std::string, std::map<Turn, Share*>>;
    struct Waiting {
        std::string id;
        ByDestination::value_type* companions;  ///< those for its destination; nullptr if it is for several
    };
    struct Share {
        std::size_t active = 0;
        std::map<Turn, Waiting> waiting;
    };

    static bool is_small(const Share& share, std::size_t places_left) {
        return share.active < 2 * places_left;
    }
    std::string take(Share& share, std::map<Turn, Waiting>::iterator message);

    std::map<std::string, Share> shares_;
    ByDestination by_destination_;  ///< of those that wait; nothing empty
    Turn last_turn_ = 0;
};

}  // namespace postoffice
