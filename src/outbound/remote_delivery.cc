#include "postoffice/outbound/remote_delivery.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

using Verdict = DeliveryResult::Outcome;

DeliveryResult no_route(const MxList& list) {
    switch (list.status) {
        case MxList::Status::no_host:
            return failed("5.1.2", list.why);
        case MxList::Status::loops_back:
            return failed("5.4.6", list.why);
        case MxList::Status::null_mx: {
            DeliveryResult result = failed("5.1.10", list.why);
            result.reply.code = 556;  // RFC 7505 section 4.1
            return result;
        }
        case MxList::Status::found:
        case MxList::Status::temporary:
            break;
    }
    return deferred("4.4.3", list.why);
}

// Which of two refusals to report when no host would talk to us: hope before despair (a single host that may
// take the mail later keeps it in the queue), then a server's words before ours, then the better host's.
bool says_more(const DeliveryResult& later, const DeliveryResult& former) {
    const bool later_is_final = later.outcome == Verdict::failed;
    const bool former_is_final = former.outcome == Verdict::failed;
    if (later_is_final != former_is_final) return former_is_final;
    return former.by.empty() && !later.by.empty();
}

}  // namespace

// One message to at most `most_recipients`. A recipient is open while another host may be asked for it.
struct RemoteDelivery::Attempt {
    const OutgoingEnvelope& envelope;
    int message;
    std::uint64_t size;
    std::vector<DeliveryResult> results;
    std::vector<std::size_t> open;  // indices
    bool was_reached = false;       // some host took part in a transaction

    void settle_open(const DeliveryResult& result) {
        for (const std::size_t i : open) results[i] = result;
    }
};

RemoteDelivery::RemoteDelivery(const Config& config, const Resolver& resolver, std::string destination,
                               const ClientTimeouts& timeouts)
    : config_(config),
      resolver_(resolver),
      destination_(std::move(destination)),
      timeouts_(timeouts),
      tls_(config) {}

RemoteDelivery::~RemoteDelivery() = default;

RemoteDelivery::Outcome RemoteDelivery::deliver(const OutgoingEnvelope& envelope, int message,
                                                std::uint64_t size) {
    Outcome outcome;
    const std::vector<OutgoingEnvelope::To>& recipients = envelope.recipients;
    OutgoingEnvelope part = envelope;
    outcome.results.reserve(recipients.size());
    for (auto from = recipients.begin(); from != recipients.end();) {
        const auto count = std::min<std::ptrdiff_t>(recipients.end() - from, most_recipients);
        part.recipients.assign(from, from + count);
        from += count;
        const auto size_of_part = static_cast<std::size_t>(count);
        if (outcome.destination_is_down) {  // all before are deferred for the same reason
            outcome.results.resize(outcome.results.size() + size_of_part, outcome.results.back());
            continue;
        }
        Attempt attempt{part, message, size, std::vector<DeliveryResult>(size_of_part), {}};
        for (std::size_t i = 0; i < size_of_part; ++i) attempt.open.push_back(i);
        deliver_part(attempt);
        outcome.destination_is_down = !attempt.was_reached && attempt.results[0].outcome == Verdict::deferred;
        std::move(attempt.results.begin(), attempt.results.end(), std::back_inserter(outcome.results));
    }
    return outcome;
}

void RemoteDelivery::deliver_part(Attempt& attempt) {
    try {
        policy_ = tls_.policy_for(next_hop());
        if (client_ && policy_of_client_ != policy_) close();
        if (client_ && client_->is_alive()) hand_over(attempt);
        if (attempt.open.empty()) return;
        client_.reset();
        attempt.was_reached = false;  // what counts is which host can be reached now
        walk(attempt);
    } catch (const FormatError& e) {
        log_event("", "tls-policy-unusable", {{"reason", e.what()}});
        attempt.settle_open(deferred("4.3.5", "the TLS policy of this host cannot be used now"));
    } catch (const std::runtime_error& e) {  // the host itself is in trouble: no descriptors, no interfaces
        attempt.settle_open(deferred("4.3.0", e.what()));
    }
}

// Mail hosts by preference, each with all its addresses, until no recipient is open.
void RemoteDelivery::walk(Attempt& attempt) {
    const Route route = find_route();
    if (route.hosts.empty()) return attempt.settle_open(route.trouble);

    const Deadline ceiling = Deadline::after(timeouts_.message);
    std::vector<IpAddress> tried;
    std::optional<DeliveryResult> refusal;
    const auto note = [&refusal](const DeliveryResult& why) {
        if (!refusal || says_more(why, *refusal)) refusal = why;
    };
    for (const MailHost& host : route.hosts) {
        const auto tls = tls_.tls_for(policy_, next_hop(), host);
        if (!tls) {
            note(deferred("4.7.5", tls.problem()));
            continue;
        }
        for (const IpAddress& address : host.addresses) {
            if (tried.size() == most_addresses || ceiling.passed()) break;
            if (std::find(tried.begin(), tried.end(), address) != tried.end()) continue;
            tried.push_back(address);
            connect({host.name, Endpoint{address, route.port}, false, *tls});
            if (client_->refusal()) {
                note(*client_->refusal());
                client_.reset();
                continue;
            }
            hand_over(attempt);
            if (attempt.open.empty()) return;
        }
    }
    // A transaction that broke left its own results behind.
    if (refusal && !attempt.was_reached) attempt.settle_open(*refusal);
}

void RemoteDelivery::connect(const MailServer& server) {
    client_ = std::make_unique<SmtpClient>(server, config_.identity.hostname, timeouts_, transcript_);
    policy_of_client_ = policy_;
    const auto& failure = client_->tls_failure();
    // A server without TLS is nothing to tell, and a refusal tells for itself.
    if (!failure || client_->refusal() || !client_->extensions().starttls) return;
    log_event("", "remote-tls-failed",
              {{"host", client_->peer()},
               {"tls-policy", server.tls.policy},
               {"reason", failure->text},
               {"next", client_->tls() != nullptr ? "goes on" : "in the clear"}});
}

// What the policy for TLS is looked up by.
std::string RemoteDelivery::next_hop() const {
    return destination_.empty() && config_.remote.relay_host ? config_.remote.relay_host->host : destination_;
}

// The open recipients in as many transactions as the server wants (RFC 9422, RCPTMAX). A recipient stays open
// if another host might take it at once, but not if this server has its message, or has refused it.
void RemoteDelivery::hand_over(Attempt& attempt) {
    const std::vector<std::size_t> open = std::exchange(attempt.open, {});
    attempt.was_reached = true;
    OutgoingEnvelope part = attempt.envelope;
    for (auto from = open.begin(); from != open.end();) {
        if (!client_) {  // it left in the middle
            attempt.open.insert(attempt.open.end(), from, open.end());
            return;
        }
        const auto count = std::min(client_->most_recipients(), static_cast<std::size_t>(open.end() - from));
        const auto to = from + static_cast<std::ptrdiff_t>(count);
        part.recipients.clear();
        for (auto i = from; i != to; ++i) part.recipients.push_back(attempt.envelope.recipients[*i]);
        TransactionResult result = client_->send(part, attempt.message, attempt.size);
        for (std::size_t k = 0; k < count; ++k, ++from) {
            attempt.results[*from] = std::move(result.recipients[k]);
            if (result.other_host_may_help && attempt.results[*from].outcome == Verdict::deferred)
                attempt.open.push_back(*from);
        }
        if (!result.connection_usable) client_.reset();
    }
}

void RemoteDelivery::set_transcript(std::function<void(const std::string&)> transcript) {
    transcript_ = std::move(transcript);
    if (client_) client_->set_transcript(transcript_);
}

void RemoteDelivery::close() {
    if (client_) client_->quit();
    client_.reset();
}

RemoteDelivery::Route RemoteDelivery::find_route() const {
    const Resolver bounded = resolver_.until(Deadline::after(config_.remote.lookup_timeout), most_questions);
    if (destination_.empty()) return route_to_relay(bounded);
    MxList list =
        find_mail_hosts(bounded, destination_, config_.identity.hostname, own_addresses(config_.remote.port));
    if (list.status != MxList::Status::found) return {{}, 0, no_route(list)};
    return {std::move(list.hosts), config_.remote.port, {}};
}

// The relay host is our own configuration's word: what is wrong with it is never the sender's fault, so all
// of it is temporary. Its addresses are used, never its MX.
RemoteDelivery::Route RemoteDelivery::route_to_relay(const Resolver& resolver) const {
    if (!config_.remote.relay_host) return {{}, 0, deferred("4.3.5", "no relay-host is set")};
    const RelayHost& relay = *config_.remote.relay_host;
    const auto broken = [&relay](const std::string& status, const std::string& why) {
        return Route{{}, 0, deferred(status, fmt::format("relay-host {}: {}", relay.to_string(), why))};
    };
    const std::uint16_t port = relay.port != 0 ? relay.port : config_.remote.port;

    std::vector<IpAddress> addresses;
    std::string name = relay.host;
    if (relay.address) {
        addresses.push_back(*relay.address);
        name = relay.address->to_literal();
    } else {
        const AddressLookup lookup = resolver.addresses(relay.host);
        if (lookup.status != DnsStatus::found) return broken("4.4.3", lookup.why);
        addresses = lookup.addresses;
    }
    const std::vector<IpAddress> own = own_addresses(port);
    std::erase_if(addresses, [&own](const IpAddress& address) {
        return address.is_unspecified() || std::find(own.begin(), own.end(), address) != own.end();
    });
    if (addresses.empty()) return broken("4.3.5", "is this host itself");
    return {{MailHost{name, 0, std::move(addresses)}}, port, {}};
}

// Addresses at which this port is our own daemon: mail that is sent there would come back. On another port
// the same addresses may well belong to another mail server.
std::vector<IpAddress> RemoteDelivery::own_addresses(std::uint16_t port) const {
    const bool is_ours = std::any_of(config_.network.listen.begin(), config_.network.listen.end(),
                                     [port](const ListenAddress& listen) { return listen.port == port; });
    if (!is_ours) return {};
    return interface_addresses();
}

}  // namespace postoffice
