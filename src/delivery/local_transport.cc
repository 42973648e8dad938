#include "postoffice/delivery/local_transport.h"

#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/routing/user_files.h"

namespace postoffice {
namespace {

std::uint64_t size_of(int message) {
    struct stat status {};
    if (::fstat(message, &status) != 0) throw_errno("fstat");
    return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

/// Deliveries with one sender, and what has come of them.
struct LocalTransport::Batch {
    OutgoingEnvelope envelope;
    std::vector<std::size_t> places;      ///< of its recipients among the deliveries
    std::vector<DeliveryResult> results;  ///< as far as they are known, in the same order
    std::string_view id;                  ///< of the message
};

LocalTransport::LocalTransport(const Config& config, AgentChannels& agents, Seconds patience)
    : config_(config), agents_(agents), patience_(patience) {}

Address LocalTransport::address_for(const Config& config, const MailboxDelivery& delivery) {
    const std::string& led_here = delivery.recipient.local_part();
    std::string local_part = delivery.user;
    for (const ExtendedName& name : extended_names(led_here, config.routing.recipient_delimiter))
        if (equals_ignoring_case(name.user, delivery.user)) local_part += led_here.substr(name.user.size());
    const std::string& domain = delivery.domain.empty() ? delivery.recipient.domain() : delivery.domain;
    return Address(local_part, domain.empty() ? config.identity.hostname : domain);
}

std::vector<DeliveryResult> LocalTransport::deliver(const std::vector<MailboxDelivery>& deliveries,
                                                    int message) {
    if (!config_.local.transport) return agents_.deliver(deliveries, message);
    std::vector<DeliveryResult> results(deliveries.size());
    std::vector<MailboxDelivery> for_agents;
    std::vector<std::size_t> places_of_those;
    std::vector<Batch> batches;
    for (std::size_t i = 0; i < deliveries.size(); ++i) {
        const MailboxDelivery& delivery = deliveries[i];
        if (delivery.folder != MailFolder::inbox && delivery.domain.empty()) {
            for_agents.push_back(delivery);
            places_of_those.push_back(i);
            continue;
        }
        auto batch = std::find_if(batches.begin(), batches.end(),
                                  [&](const Batch& b) { return b.envelope.sender == delivery.sender; });
        if (batch == batches.end())
            batch = batches.insert(
                batches.end(), Batch{{{delivery.sender, {}, {Body::eight_bit_mime}}}, {}, {}, delivery.id});
        batch->envelope.recipients.emplace_back(address_for(config_, delivery));
        batch->places.push_back(i);
    }
    for (Batch& batch : batches) {
        send(batch, message);
        for (std::size_t k = 0; k < batch.places.size(); ++k)
            results[batch.places[k]] = std::move(batch.results[k]);
    }
    auto by_agents = agents_.deliver(for_agents, message);
    for (std::size_t k = 0; k < by_agents.size(); ++k) results[places_of_those[k]] = std::move(by_agents[k]);
    return results;
}

DeliveryResult LocalTransport::carry_out(const InstructionDelivery& delivery, int message) {
    return agents_.carry_out(delivery, message);
}

void LocalTransport::connect() {
    const ClientTimeouts timeouts{patience_, patience_, patience_, patience_, patience_, patience_};
    const MailServer server{config_.local.transport->to_string(), config_.local.transport->place, true};
    client_ = std::make_unique<SmtpClient>(server, config_.identity.hostname, timeouts);
}

/// In as many transactions as the server wants (RFC 9422). Over a connection that was kept and turns out to
/// be gone, a second time.
void LocalTransport::send(Batch& batch, int message) try {
    const std::uint64_t size = size_of(message);
    const auto all = std::move(batch.envelope.recipients);
    while (batch.results.size() < all.size()) {
        const bool was_kept = client_ && client_->is_alive();
        if (!was_kept) connect();
        // Which server that is says our own configuration: it is never the message's fault, nor of interest
        // to its sender.
        if (const auto refusal = client_->refusal()) throw PeerGone(refusal->reply.line());
        const auto first = all.begin() + static_cast<std::ptrdiff_t>(batch.results.size());
        const auto left = static_cast<std::size_t>(all.end() - first);
        const auto count = std::min(client_->most_recipients(), left);
        batch.envelope.recipients.assign(first, first + static_cast<std::ptrdiff_t>(count));
        TransactionResult done = client_->send(batch.envelope, message, size);
        if (!done.connection_usable) client_.reset();
        if (was_kept && !client_ && done.other_host_may_help) continue;
        std::move(done.recipients.begin(), done.recipients.end(), std::back_inserter(batch.results));
    }
} catch (const std::exception& error) {
    client_.reset();
    log_event(batch.id, "local-transport-failed",
              {{"host", config_.local.transport->to_string()}, {"reason", in_plain_words(error)}});
    batch.results.resize(batch.places.size(), deferred("4.3.5", "The mailboxes cannot be reached now"));
}

void LocalTransport::close_idle() {
    if (client_) client_->quit();
    client_.reset();
}

}  // namespace postoffice
