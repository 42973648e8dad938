#include "postoffice/policy/misconduct.h"

#include "postoffice/policy/client_rates.h"

namespace postoffice {

Misconduct::Misconduct(const Config& config, RateTable* rates, Report report)
    : config_(config), rates_(rates), report_(std::move(report)) {}

void Misconduct::note(const IpAddress& address, unsigned points) {
    if (config_.limits.coal_command.empty() || rates_ == nullptr ||
        is_exempt_address(config_.access, address))
        return;
    const std::string key = "coal " + rated_network(address);
    if (rates_->add(key, points, config_.limits.coal.window) < config_.limits.coal.most) return;
    rates_->forget(key);
    report_(address);
}

}  // namespace postoffice
