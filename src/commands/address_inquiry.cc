#include "address_inquiry.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "caller.h"
#include "postoffice/delivery/remote_delivery.h"
#include "postoffice/mail/submitter.h"
#include "postoffice/net/mx.h"

namespace postoffice {
namespace {

constexpr std::uint16_t smtp_port = 25;

}  // namespace

AddressInquiry::AddressInquiry(const Config& config)
    : config_(config),
      local_(config, interface_addresses()),
      may_see_aliases_(is_trusted_submitter(config, ::getuid()) ||
                       ::access(config.aliases.c_str(), R_OK) == 0) {}

Route AddressInquiry::route(const Address& address, bool in_full) {
    Route route = local_.router().route(address, in_full);
    auto obstacle = local_.router().obstacle_to(route);
    if (!obstacle) return route;
    const Target& target = route.hops.front().target;
    route.status = Route::Status::temporary;
    route.refusal = std::move(obstacle->reply);
    route.steps.push_back(
        {std::move(obstacle->detail), target.alias.empty() && target.domain.empty() ? target.user : ""});
    route.hops.clear();
    return route;
}

bool AddressInquiry::may_see_files_of(const std::string& user) const {
    return is_trusted_submitter(config_, ::getuid()) || identify_caller().login == user;
}

AddressInquiry::RemoteVerdict AddressInquiry::judge_remote(const Address& address) const {
    const Resolver resolver(ResolverSettings::from(config_.nameservers));
    const std::string destination = config_.relay_host.empty() ? address.domain() : "";
    const auto route = RemoteDelivery(config_, resolver, destination).find_route();
    if (route.hosts.empty()) {
        const bool is_final = route.trouble.outcome == DeliveryResult::Outcome::failed;
        return {is_final ? inquiry::unknown_host : inquiry::not_now, route.trouble.reply.text};
    }
    if (!config_.relay_host.empty()) return {0, config_.relay_host};
    const std::string& host = route.hosts.front().name;
    return {0, route.port == smtp_port ? host : fmt::format("{}, port {}", host, route.port)};
}

void AddressInquiry::note(int exit_code) {
    static constexpr std::array gravity{0, inquiry::not_now, inquiry::unknown_host, inquiry::unknown_user};
    const auto rank = [](int code) { return std::find(gravity.begin(), gravity.end(), code); };
    if (rank(exit_code) > rank(exit_code_)) exit_code_ = exit_code;
}

}  // namespace postoffice
