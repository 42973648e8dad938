// Coal: bad points for clients that misbehave. A client that has too many is named to a program of the
// administrator's, which may shut it out (coal-command of postoffice.cf(5)).
#pragma once

#include <functional>

#include "postoffice/base/ip_address.h"
#include "postoffice/config/config.h"
#include "postoffice/policy/rate_table.h"

namespace postoffice {

/// What the manual says they are worth.
namespace bad_points {
inline constexpr unsigned connection_refused = 1;
inline constexpr unsigned address_refused = 2;  ///< a sender or recipient, for good
inline constexpr unsigned login_failed = 5;
inline constexpr unsigned disconnected = 20;
}  // namespace bad_points

class Misconduct {
  public:
    using Report = std::function<void(const IpAddress&)>;
    /// `report` gets an address each time that it has reached `coal=` points; it must not wait. Keeps the
    /// reference to `config`. Does nothing without coal-command, or if `rates` is null.
    Misconduct(const Config& config, RateTable* rates, Report report);
    /// The caller leaves out clients that are exempt by more than the address.
    void note(const IpAddress& address, unsigned points);

  private:
    const Config& config_;
    RateTable* rates_;
    Report report_;
};

}  // namespace postoffice
