// Which clients are accepted: connections of one address, rates, the load of the machine. Used by the
// listener alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>

#include "postoffice/base/ip_address.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/reply.h"
#include "postoffice/policy/misconduct.h"
#include "postoffice/policy/rate_table.h"

namespace postoffice {

class ConnectionLimits {
  public:
    /// `misconduct` outlives it; `rates` may be null.
    ConnectionLimits(const Config& config, RateTable* rates, Misconduct& misconduct);

    /// A front end of `proxy=`, which names its clients.
    bool is_front_end(const IpAddress& address) const;
    /// Why this client is refused; nullopt if it is accepted, and then it counts until release(). Refusals
    /// are logged, but not all of a flood.
    std::optional<Reply> admit(const IpAddress& address);
    /// Counts a client that an earlier listener has accepted.
    void count(const IpAddress& address);
    void release(const IpAddress& address);
    /// Of a client that was refused for want of places.
    void log_refusal(const IpAddress& address, const Reply& reply);

  private:
    using Clock = std::chrono::steady_clock;
    std::optional<Reply> reason_to_refuse(const IpAddress& address);
    bool is_overloaded() const;

    const Config& config_;
    RateTable* rates_;
    Misconduct& misconduct_;
    std::unordered_map<std::string, unsigned> clients_of_;  // by rated_network()
    mutable Clock::time_point load_asked_{};
    mutable bool overloaded_ = false;
    Clock::time_point refusals_since_{};
    unsigned refusals_ = 0;  // since then
};

}  // namespace postoffice
