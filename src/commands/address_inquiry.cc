#include "address_inquiry.h"

#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>

#include "postoffice/base/error.h"
#include "postoffice/base/output.h"
#include "postoffice/daemon/run_with_spawner.h"
#include "postoffice/delivery/agent_channels.h"
#include "postoffice/delivery/delegated_user_files.h"
#include "postoffice/net/mx.h"
#include "postoffice/outbound/target_hosts.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/next_hops.h"
#include "postoffice/routing/submitter.h"
#include "submit/recipients.h"

namespace postoffice {
namespace {

constexpr std::uint16_t smtp_port = 25;

/// As long as a session process waits for a local agent at RCPT.
constexpr Seconds patience{5};

AddressInquiry::Asker asker(const Config& config) {
    Caller caller = identify_caller();
    const bool is_trusted = is_trusted_submitter(config, caller.uid);
    const bool may_disclose_aliases = is_trusted || ::access(config.routing.aliases.c_str(), R_OK) == 0;
    return {std::move(caller), is_trusted, may_disclose_aliases};
}

int answer(const Config& config, UserFiles& files, const AddressInquiry::Asker& asker,
           const std::string& program, const std::function<int(AddressInquiry&)>& body) try {
    AliasTable aliases(config.routing.aliases);
    UserDirectory users(config.identity.only_user);
    Router router(config, aliases, users, files, interface_addresses());
    AddressInquiry inquiry(config, router, users, asker);
    const int exit_code = body(inquiry);
    // main() looks at the output of its own process only.
    return output_failed() && exit_code == EX_OK ? EX_IOERR : exit_code;
} catch (const std::exception& error) {
    print_error("{}: {}\n", program, in_plain_words(error));
    return inquiry::temporary;
}

}  // namespace

Route AddressInquiry::route(const Address& address, bool in_full) {
    Route route = router_.route(address, in_full);
    auto unavailable = router_.why_unavailable(route);
    if (!unavailable) return route;
    route.status = Route::Status::temporary;
    route.refusal = std::move(unavailable->reply);
    route.steps.push_back({std::move(unavailable->detail), account_of(route.hops.front().destination)});
    route.hops.clear();
    return route;
}

void AddressInquiry::set_sender(const std::optional<std::string>& text) {
    if (!text) return;
    if (const auto sender = parse_argument(*text))
        sender_ = sender->is_null() ? *sender : sender->qualified(config_.identity.hostname);
}

AddressInquiry::RemoteVerdict AddressInquiry::judge_remote(const Address& address) const {
    NextHops next_hops(config_);
    next_hops.refresh();
    const NextHop next_hop = next_hops.find(address, sender_, router_.serves(address)).next_hop;
    const Resolver resolver(ResolverSettings::from(config_.network.nameservers));
    const TargetHosts targets = find_target_hosts(config_, resolver, next_hop);
    if (targets.hosts.empty() && targets.result.outcome != DeliveryResult::Outcome::delivered) {
        const bool is_final = targets.result.outcome == DeliveryResult::Outcome::failed;
        return {is_final ? inquiry::unknown_host : inquiry::temporary, targets.result.reply.text};
    }
    if (!next_hop.is<NextHop::MailHosts>()) return {0, next_hop.to_string()};
    const TargetHost& best = targets.hosts.front();
    const std::string& host = best.host.name;
    return {0, best.port == smtp_port ? host : fmt::format("{}, port {}", host, best.port)};
}

void AddressInquiry::note(int exit_code) {
    static constexpr std::array gravity{0, inquiry::no_permission, inquiry::temporary, inquiry::unknown_host,
                                        inquiry::unknown_user};
    const auto rank = [](int code) { return std::find(gravity.begin(), gravity.end(), code); };
    if (rank(exit_code) > rank(exit_code_)) exit_code_ = exit_code;
}

int run_inquiry(const Config& config, const std::string& program,
                const std::function<int(AddressInquiry&)>& body) {
    const AddressInquiry::Asker caller = asker(config);
    if (::geteuid() != 0) {
        DirectUserFiles files(config);
        return answer(config, files, caller, program, body);
    }
    return run_with_spawner(config, "address inquiry", {}, [&](SpawnerHandle spawner) {
        AgentChannels agents(spawner, patience);
        DelegatedUserFiles files(config, agents);
        return answer(config, files, caller, program, body);
    });
}

}  // namespace postoffice
