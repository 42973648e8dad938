// The unique ids of messages (RFC 1939 section 7: UIDL). An id is the hash of the message in 32 hexadecimal
// digits; the second of two equal messages has "-2" behind it, and so on.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "index.h"
#include "postoffice/base/keyed_hash.h"

namespace postoffice {

/// True for 1 to 70 octets of 0x21 to 0x7E.
bool is_valid_uid(std::string_view uid);

/// Gives each message of a maildrop its id.
class UniqueIds {
  public:
    UniqueIds() = default;
    /// Those of an index.
    explicit UniqueIds(const MaildropIndex& known);
    /// The message with this hash has this id: it had it when the maildrop was opened before, or another
    /// server gave it. Of equal messages in their order.
    void remember(const Hash128& hash, const std::string& uid);
    /// This id is not given to another message.
    void retire(const std::string& uid) { used_.insert(uid); }
    /// The id of the next message with this hash: one that is remembered, or a new one.
    std::string assign(const Hash128& hash);
    /// To all of these. One that has an id already keeps it if it is valid and no other message has it.
    void assign_to(std::vector<IndexedMessage>& messages);

  private:
    struct Copies {
        std::vector<std::string> remembered;
        std::size_t assigned = 0;  ///< of these
        unsigned next_copy = 1;
    };
    std::map<Hash128, Copies> copies_;
    std::set<std::string, std::less<>> used_;
};

}  // namespace postoffice
