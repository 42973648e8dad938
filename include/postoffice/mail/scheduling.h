// When a message is to be delivered, as its sender asked: DELIVERBY (RFC 2852), FUTURERELEASE (RFC 4865) and
// MT-PRIORITY (RFC 6710), as values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "postoffice/base/clock.h"

namespace postoffice {

/// BY=, with an absolute time.
struct DeliverBy {
    UnixTime at = 0;
    /// By-mode R: what is not delivered then is returned. By-mode N: the sender is told of the delay, and
    /// delivery goes on.
    bool returns = false;
    bool is_traced = false;  ///< each relay reports that it passed the message on
    bool operator==(const DeliverBy&) const = default;
};

struct Scheduling {
    std::optional<DeliverBy> deliver_by{};
    UnixTime release = 0;  ///< no attempt is made before; 0: at once
    int priority = 0;      ///< -9 to 9
    bool operator==(const Scheduling&) const = default;

    /// Mode R, and its time is over.
    bool must_be_returned(UnixTime now) const {
        return deliver_by && deliver_by->returns && now >= deliver_by->at;
    }
};

inline constexpr int most_priority = 9;

/// "3600;RT" (RFC 2852 section 4), from `now` on. nullopt if it is malformed, or demands the return of a
/// message whose time is over already.
std::optional<DeliverBy> parse_deliver_by(std::string_view value, UnixTime now);
/// The same for the next host.
std::string deliver_by_value(const DeliverBy& deliver_by, UnixTime now);

/// HOLDFOR: seconds, 1 to 9 digits (RFC 4865 section 4.2); the time of the release.
std::optional<UnixTime> parse_hold_for(std::string_view value, UnixTime now);
/// HOLDUNTIL, "2026-12-24T18:00:00+01:00": RFC 3339 section 5.6, in capitals.
std::optional<UnixTime> parse_hold_until(std::string_view value);

/// "-9" to "9".
std::optional<int> parse_priority(std::string_view value);

}  // namespace postoffice
