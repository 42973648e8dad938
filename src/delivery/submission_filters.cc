#include "submission_filters.h"

#include <algorithm>
#include <set>

#include "postoffice/routing/envelope_edit.h"

namespace postoffice {
namespace {

FilterClient this_host(const Config& config) {
    FilterClient client;
    client.name = "localhost";
    client.address = IpAddress::parse("127.0.0.1");
    client.helo = config.identity.hostname;
    return client;
}

void set_macros(FilterMacros& macros, const Config& config, const std::string& id) {
    set_host_macros(macros, config.identity.hostname);
    macros.set("i", id);
    macros.set("_", "localhost [127.0.0.1]");
    macros.set("{client_name}", "localhost");
    macros.set("{client_addr}", "127.0.0.1");
}

}  // namespace

const Resolver& SubmissionFilters::resolver() {
    if (!name_servers_) name_servers_.emplace(config_.network.nameservers);
    if (auto settings = name_servers_->news()) resolver_.emplace(*std::move(settings));
    return *resolver_;
}

FilterVerdict SubmissionFilters::ask_for_recipients(FilterChain& chain, Envelope& envelope, Envelope& refused,
                                                    Reply& refusal) const {
    std::set<Address> asked, bad;
    for (const Recipient& recipient : envelope.recipients) {
        if (!asked.insert(recipient.original).second) continue;
        const bool is_local = config_.identity.is_local_domain(recipient.original.domain());
        const FilterVerdict verdict = chain.recipient(recipient.original, "", is_local);
        if (verdict.kind == FilterVerdict::Kind::discard || verdict.reply.is_temporary()) return verdict;
        if (verdict.goes_on()) continue;
        bad.insert(recipient.original);
        refusal = verdict.reply;
    }
    const auto kept =
        std::stable_partition(envelope.recipients.begin(), envelope.recipients.end(),
                              [&](const Recipient& recipient) { return !bad.contains(recipient.original); });
    std::move(kept, envelope.recipients.end(), std::back_inserter(refused.recipients));
    envelope.recipients.erase(kept, envelope.recipients.end());
    return {};
}

SubmissionFilters::Result SubmissionFilters::examine(const std::string& id, Message& message,
                                                     Envelope& envelope, Envelope& refused) {
    Result result;
    const auto& filters = config_.filters.list;
    if (envelope.recipients.empty() ||
        std::all_of(filters.begin(), filters.end(), [](const FilterSettings& f) { return f.skip_local; }))
        return result;
    FilterChain chain(config_, resolver());
    set_macros(chain.macros(), config_, id);
    result.verdict = chain.mail(this_host(config_), envelope.sender, "",
                                [](const FilterSettings& filter) { return filter.skip_local; });
    if (result.verdict.goes_on())
        result.verdict = ask_for_recipients(chain, envelope, refused, result.refusal);
    if (result.verdict.goes_on() && !envelope.recipients.empty()) result.verdict = chain.data();
    if (!result.verdict.goes_on() || envelope.recipients.empty()) {
        chain.end_message();
        return result;
    }
    FilteredMessage filtered = chain.examine(message);
    chain.end_message();
    result.verdict = filtered.verdict;
    if (!result.verdict.goes_on()) return result;
    result.unwanted = filtered.unwanted;
    add_verdicts(envelope, std::move(filtered.verdicts));
    if (filtered.has_eight_bit) envelope.parameters.body = Body::eight_bit_mime;
    apply_changes(envelope, filtered.envelope, router_, config_.identity.hostname, id);
    if (envelope.recipients.empty())
        result.verdict = {FilterVerdict::Kind::discard, {}, "the one that removed all recipients"};
    result.message = std::move(filtered.message);
    return result;
}

}  // namespace postoffice
