#include "postoffice/policy/client_rates.h"

#include <fmt/format.h>

#include <algorithm>

namespace postoffice {
namespace {

// True if it was counted.
bool count_one(const char* what, const RateLimit& limit, RateTable* rates, const std::string& client) {
    if (rates == nullptr || limit.most == 0) return true;
    const std::string key = fmt::format("{} {}", what, client);
    if (rates->count(key, limit.window) >= limit.most) return false;
    rates->add(key, 1, limit.window);
    return true;
}

std::string limit_text(const RateLimit& limit) {
    return fmt::format("{} in {}", limit.most, duration_text(limit.window));
}

}  // namespace

std::string counted_as(const RatedClient& client) {
    return client.user.empty() ? rated_network(client.address) : "user " + client.user;
}

bool is_exempt_address(const AccessConfig& access, const IpAddress& address) {
    return address.is_loopback() || access.trusted.contains(address);
}

std::optional<Reply> count_connection(const LimitsConfig& limits, RateTable* rates,
                                      const RatedClient& client) {
    if (client.is_exempt ||
        count_one("connections", limits.rate_connections, rates, rated_network(client.address)))
        return std::nullopt;
    return Reply{421, "4.7.1",
                 fmt::format("Too many connections from you: {}; come back later",
                             limit_text(limits.rate_connections))};
}

std::optional<Reply> count_message(const LimitsConfig& limits, RateTable* rates, const RatedClient& client) {
    if (client.is_exempt || count_one("messages", limits.rate_messages, rates, counted_as(client)))
        return std::nullopt;
    return Reply{450, "4.7.1",
                 fmt::format("Too many messages: {}; try again later", limit_text(limits.rate_messages))};
}

std::optional<Reply> count_recipient(const LimitsConfig& limits, RateTable* rates,
                                     const RatedClient& client) {
    if (client.is_exempt || count_one("recipients", limits.rate_recipients, rates, counted_as(client)))
        return std::nullopt;
    return Reply{452, "4.7.1",
                 fmt::format("Too many recipients: {}; try again later", limit_text(limits.rate_recipients))};
}

std::string fetched_mail_key(const IpAddress& address) {
    return "fetched-mail " + address.to_string();
}

std::string rated_network(const IpAddress& address) {
    if (!address.is_v6()) return address.to_string();
    std::uint8_t bytes[16] = {};
    const auto all = address.bytes();
    std::copy_n(all.begin(), 8, bytes);
    return IpAddress::from_bytes_v6(bytes).to_string() + "/64";
}

}  // namespace postoffice
