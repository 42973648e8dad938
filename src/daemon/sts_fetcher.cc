#include "postoffice/daemon/sts_fetcher.h"

#include <memory>

#include "child_per_request.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/system_calls.h"
#include "postoffice/daemon/service_identity.h"
#include "postoffice/net/https.h"
#include "postoffice/net/resolver.h"
#include "postoffice/outbound/sts_fetcher_handle.h"

namespace postoffice {
namespace {

// One minute together (RFC 8461 section 3.3).
constexpr Seconds lookup_patience{15};
constexpr Seconds https_patience{45};
constexpr unsigned most_questions = 20;
constexpr std::size_t most_fetches = 20;

Result<std::string> fetch(const Config& config, const std::string& domain) {
    const std::string host = "mta-sts." + domain;
    const Resolver resolver = Resolver(ResolverSettings::from(config.network.nameservers))
                                  .until(Deadline::after(lookup_patience), most_questions);
    const AddressLookup found = resolver.addresses(host);
    if (found.status != DnsStatus::found) return Problem{found.why};
    return https_get({.host = host,
                      .path = "/.well-known/mta-sts.txt",
                      .addresses = found.addresses,
                      .authorities = config.remote.tls_authorities,
                      .most = longest_sts_policy,
                      .patience = https_patience});
}

void answer(const Config& config, const std::string& domain, const Fd& channel) {
    const auto text = fetch(config, domain);
    auto result = std::make_unique<StsFetchAnswer>();
    result->is_fetched = text && result->text.assign(*text) ? 1 : 0;
    if (result->is_fetched == 0) result->text.assign_cut(text ? "it is no text" : text.problem());
    send_struct(channel.get(), *result);
}

}  // namespace

bool needs_sts_fetcher(const Config& config) {
    return config.remote.sts && https_is_built_in();
}

int run_sts_fetcher(const Config& config, Fd requests, pid_t parent) {
    ignore_sigpipe();
    confine_to(identity_without_rights());
    end_with_parent(parent);
    CallFilter({.network = true, .children = true}).enforce();
    const RequestWork<StsFetchRequest> work{
        .title = "fetching a policy",
        .most_children = most_fetches,
        .patience = lookup_patience + https_patience + Seconds(5),
        .answer = [&](const StsFetchRequest& request,
                      const Fd& channel) { answer(config, request.domain.str(), channel); },
        .not_started =
            [](const StsFetchRequest& request, const std::string& reason) {
                log_event("", "sts-fetch-failed", {{"domain", request.domain.str()}, {"reason", reason}});
            }};
    return ChildPerRequest<StsFetchRequest>(work, std::move(requests)).run();
}

}  // namespace postoffice
