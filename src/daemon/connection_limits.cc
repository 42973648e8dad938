#include "postoffice/daemon/connection_limits.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <thread>

#include "postoffice/base/log.h"
#include "postoffice/policy/client.h"
#include "postoffice/policy/client_rates.h"

namespace postoffice {
namespace {

constexpr std::chrono::seconds load_interval{5};
constexpr unsigned refusals_logged = 10;  // a second

}  // namespace

ConnectionLimits::ConnectionLimits(const Config& config, RateTable* rates, Misconduct& misconduct)
    : config_(config), rates_(rates), misconduct_(misconduct) {}

bool ConnectionLimits::is_front_end(const IpAddress& address) const {
    return is_listed(config_.network.proxies, address);
}

std::optional<Reply> ConnectionLimits::admit(const IpAddress& address) {
    auto refusal = reason_to_refuse(address);
    if (refusal)
        log_refusal(address, *refusal);
    else
        ++clients_of_[rated_network(address)];
    return refusal;
}

std::optional<Reply> ConnectionLimits::reason_to_refuse(const IpAddress& address) {
    if (is_overloaded()) return Reply{421, "4.3.2", "This host is too busy now; try again later"};
    if (is_exempt_address(config_.access, address) || is_front_end(address)) return std::nullopt;
    std::optional<Reply> refusal;
    const auto known = clients_of_.find(rated_network(address));
    if (known != clients_of_.end() && known->second >= config_.limits.client_connections)
        refusal = Reply{421, "4.7.0", "Too many connections from your address; try again later"};
    else
        refusal = count_connection(config_.limits, rates_, {address, "", false});
    if (refusal) misconduct_.note(address, bad_points::connection_refused);
    return refusal;
}

void ConnectionLimits::count(const IpAddress& address) {
    ++clients_of_[rated_network(address)];
}

void ConnectionLimits::release(const IpAddress& address) {
    const auto known = clients_of_.find(rated_network(address));
    if (known != clients_of_.end() && --known->second == 0) clients_of_.erase(known);
}

void ConnectionLimits::log_refusal(const IpAddress& address, const Reply& reply) {
    const auto now = Clock::now();
    if (now - refusals_since_ >= std::chrono::seconds(1)) {
        if (refusals_ > refusals_logged)
            log_event("", "clients-refused", {{"more", std::to_string(refusals_ - refusals_logged)}});
        refusals_since_ = now;
        refusals_ = 0;
    }
    if (++refusals_ <= refusals_logged)
        log_event("", "client-refused", {{"client", Client{address}.text()}, {"reply", reply.line()}});
}

bool ConnectionLimits::is_overloaded() const {
    const auto now = Clock::now();
    if (now - load_asked_ >= load_interval) {
        load_asked_ = now;
        const unsigned limit = config_.limits.load != 0
                                   ? config_.limits.load
                                   : 4 * std::max(1U, std::thread::hardware_concurrency());
        // Not from /proc/loadavg, which the service manager may hide (ProcSubset=pid).
        struct sysinfo host {};
        overloaded_ = ::sysinfo(&host) == 0 && host.loads[0] > static_cast<unsigned long>(limit)
                                                                   << SI_LOAD_SHIFT;
    }
    return overloaded_;
}

}  // namespace postoffice
