// The greylist: an unknown sender is asked to come back later, which mail servers do and most senders of spam
// do not. What is remembered is greylist(7); this is the decision alone, without a
// database.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"

namespace postoffice {

/// What is remembered of one key.
struct GreylistEntry {
    UnixTime first = 0;   ///< when it was seen first; the wait counts from here
    UnixTime last = 0;    ///< when it was seen last
    unsigned tries = 0;   ///< messages asked to come back later
    UnixTime passed = 0;  ///< when one got through last; 0: none has
    bool is_blacklisted = false;

    /// One line, as dbm(8) and authexpire(8) show it: "first=… last=… tries=… passed=…", or "*".
    std::string text() const;
    /// Reads text(), "*", and the huge time by which older versions blacklisted. nullopt: anything else.
    static std::optional<GreylistEntry> parse(std::string_view text);
};

/// What is known of a message before its text.
struct GreylistFacts {
    Address sender;
    IpAddress client;
    bool client_has_name = true;
    std::vector<std::string> recipients = {};  ///< as Address::to_string() has them; of mail from <> alone
};

struct GreylistVerdict {
    enum class Kind { pass, wait, never } kind = Kind::pass;
    std::int64_t seconds = 0;  ///< wait: so long from now
    GreylistEntry entry;       ///< what is to be remembered from now on
    bool is_changed = false;   ///< ... if it is not what was
};

/// What the delay is multiplied by for a sender whose local part cannot be typed.
inline constexpr unsigned greylist_odd_sender_factor = 4;

/// The wait for such a sender: `delay`, times the factor that its circumstances bring.
std::int64_t greylist_delay(const GreylistConfig& config, const GreylistFacts& facts);

/// A pure function: the same entry at the same time gets the same verdict.
GreylistVerdict judge_greylisted(const GreylistConfig& config, const GreylistFacts& facts,
                                 const std::optional<GreylistEntry>& known, UnixTime now);

/// Neighbours count as one, since big senders try again from another address: "192.0.2.0/24",
/// "2001:db8::/64".
std::string greylist_network(const IpAddress& client);
/// "sender@domain[network]", or the sender alone with `greylist-from`; in lower case; "<>" for the null
/// sender.
std::string greylist_key(const GreylistConfig& config, const GreylistFacts& facts);
/// The same for clients that the sender's domain vouches for: "sender@domain[domain]".
std::string greylist_key_by_domain(const GreylistConfig& config, const GreylistFacts& facts);

}  // namespace postoffice
