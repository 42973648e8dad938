#include "postoffice/outbound/remote_delivery.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/net/connect.h"

namespace postoffice {
namespace {

using Verdict = DeliveryResult::Outcome;

constexpr std::uint16_t submissions_port = 465;

// Which of two refusals to report when no host would talk to us: hope before despair (a single host that may
// take the mail later keeps it in the queue), then a server's words before ours, then the better host's.
bool says_more(const DeliveryResult& later, const DeliveryResult& former) {
    const bool later_is_final = later.outcome == Verdict::failed;
    const bool former_is_final = former.outcome == Verdict::failed;
    if (later_is_final != former_is_final) return former_is_final;
    return former.by.empty() && !later.by.empty();
}

/// No name and password goes to a server in the clear, or where an attacker could have removed STARTTLS.
void require_tls(ClientTls& tls) {
    if (tls.use == ClientTls::Use::required) return;
    tls.use = ClientTls::Use::required;
    tls.policy = "login";
}

/// The port has TLS from the first octet (RFC 8314 section 7.3), whatever the policy says.
void use_implicit_tls(ClientTls& tls) {
    tls.is_implicit = true;
    if (tls.use == ClientTls::Use::required) return;
    tls.use = ClientTls::Use::required;
    tls.policy = "port 465";
}

/// A host that wants no session refuses this host, not the mail: what a postmaster can mend, mail waits for.
/// Only a host that says that it takes no mail at all (RFC 7504 section 3), and that DNS names, is believed.
DeliveryResult in_view_of(const NextHop& next_hop, const DeliveryResult& refusal) {
    constexpr int takes_no_mail = 521;
    if (refusal.outcome != Verdict::failed) return refusal;
    const bool is_relay = !next_hop.is<NextHop::MailHosts>();
    if (refusal.reply.code == takes_no_mail && !is_relay) return refusal;
    return deferred(
        is_relay ? "4.3.5" : "4.3.2",
        fmt::format("the {} host refuses this host: {}", is_relay ? "relay" : "mail", refusal.reply.line()),
        refusal.by);
}

/// Why no connection was made: DNS does not say what DANE needs, none of the records can be used, or MTA-STS
/// does not have the host.
std::string_view failure_before_tls(const DaneRecords& dane) {
    if (dane.status == DaneRecords::Status::temporary) return "dnssec-invalid";
    return dane.status == DaneRecords::Status::found ? "tlsa-invalid" : "validation-failure";
}

/// The server at the first of these addresses, or at those that follow; nullopt if there is none.
std::optional<MailServer> server_at(MailServer server, std::vector<Endpoint> places) {
    if (places.empty()) return std::nullopt;
    server.place = places.front();
    places.erase(places.begin());
    server.more_places = std::move(places);
    return server;
}

/// The host at those of its addresses that were not tried yet, as many as are left for one message.
std::optional<MailServer> server_of(const TargetHost& target, const ClientTls& tls,
                                    std::vector<Endpoint>& tried) {
    if (!target.socket.empty()) return MailServer{target.host.name, target.socket, true};
    std::vector<Endpoint> places;
    for (const IpAddress& address : target.host.addresses) {
        const Endpoint place{address, target.port};
        if (std::find(tried.begin(), tried.end(), place) == tried.end()) places.push_back(place);
    }
    alternate_families(places);
    places.resize(std::min(places.size(), RemoteDelivery::most_addresses - tried.size()));
    tried.insert(tried.end(), places.begin(), places.end());
    return server_at({target.host.name, Endpoint(), target.speaks_lmtp, tls}, std::move(places));
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

RemoteDelivery::RemoteDelivery(const Config& config, const Resolver& resolver, NextHop next_hop,
                               const ClientTimeouts& timeouts)
    : config_(config),
      resolver_(resolver),
      next_hop_(std::move(next_hop)),
      transport_(config.remote.transport(next_hop_.transport)),
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
        // What one message needs of TLS says nothing about others.
        outcome.destination_is_down = !attempt.was_reached && !policy_.policy.passes_requiretls &&
                                      attempt.results[0].outcome == Verdict::deferred;
        std::move(attempt.results.begin(), attempt.results.end(), std::back_inserter(outcome.results));
    }
    return outcome;
}

void RemoteDelivery::deliver_part(Attempt& attempt) {
    try {
        if (client_ && (has_policy_changed(attempt.envelope.parameters.tls) || has_login_changed())) close();
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

// The hosts in order, each with all its addresses, until no recipient is open.
void RemoteDelivery::walk(Attempt& attempt) {
    const TargetHosts targets = find_target_hosts(config_, resolver_, next_hop_);
    if (targets.hosts.empty()) return attempt.settle_open(targets.result);

    const Deadline ceiling = Deadline::after(timeouts_.message);
    std::optional<DeliveryResult> refusal;
    std::vector<Endpoint> tried;
    const auto note = [&refusal](const DeliveryResult& why) {
        if (!refusal || says_more(why, *refusal)) refusal = why;
    };
    const Resolver resolver =
        bounded_resolver(config_, resolver_);  // for the TLSA records of all these hosts
    for (const TargetHost& target : targets.hosts) {
        const RelayLoginResult login = login_for(target.relay, target.port);
        if (login.outcome == RelayLoginAnswer::Outcome::temporary) {
            note(deferred("4.3.5", "the login at the relay host is not known now"));
            continue;
        }
        choose_policy(target, attempt.envelope.parameters.tls);
        const DaneRecords dane = dane_records(resolver, target);
        auto tls = tls_for(target, dane);
        if (!tls) {
            const bool may_be_known_later = dane.status == DaneRecords::Status::temporary;
            note_tls(target, dane, failure_before_tls(dane));
            note(may_be_known_later ? deferred("4.7.5", tls.problem()) : unusable(tls.problem()));
            continue;
        }
        const bool logs_in = login.outcome == RelayLoginAnswer::Outcome::found;
        if (logs_in) require_tls(*tls);
        if (target.port == submissions_port && !target.speaks_lmtp) use_implicit_tls(*tls);
        for (auto server = server_of(target, *tls, tried); server && !ceiling.passed();) {
            server->source_addresses = transport_.source_addresses;
            connect(*server);
            server = server_at(*server, client_->places_left());
            note_tls_of_client(target, dane);
            if (logs_in && !client_->refusal()) log_in(target, login.login);
            login_of_client_ = {target.relay, target.port, login.login.fingerprint()};
            if (const auto why = why_unusable()) {
                note(*why);
                close();
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
    const std::string& own_name =
        transport_.helo_name.empty() ? config_.identity.hostname : transport_.helo_name;
    client_ = std::make_unique<SmtpClient>(server, own_name, timeouts_, transcript_);
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

/// `failure`: a result type of RFC 8460 section 4.3; empty: none. What this host alone wants of TLS, or one
/// message, is not the domain's business.
void RemoteDelivery::note_tls(const TargetHost& target, const DaneRecords& dane, std::string_view failure) {
    const TlsPolicy& policy = policy_.policy;
    const bool is_of_domain =
        !policy.text.empty() || policy.level == TlsLevel::may || policy.level == TlsLevel::dane;
    if (tls_results_ == nullptr || !is_of_domain || policy_.wish != TlsWish::none) return;
    TlsResult result = tls_result_under(target.next_hop, policy, dane);
    result.failure = failure;
    if (!failure.empty()) {
        result.host = target.host.name;
        const bool has_connection = client_ && client_->endpoint() && client_->own_endpoint();
        if (has_connection) result.address = client_->endpoint()->address.to_string();
        if (has_connection) result.source = client_->own_endpoint()->address.to_string();
    }
    tls_results_->note(std::move(result));
}

/// A host that cannot be reached, or wants no session, says nothing about TLS.
void RemoteDelivery::note_tls_of_client(const TargetHost& target, const DaneRecords& dane) {
    const auto& failure = client_->tls_failure();
    if (failure || client_->tls() != nullptr) note_tls(target, dane, failure ? failure->type : "");
}

/// Without a file of logins, and at hosts that DNS names, there is none.
RelayLoginResult RemoteDelivery::login_for(const std::optional<RelayHost>& relay, std::uint16_t port,
                                           bool needs_token) const {
    const auto* relays = next_hop_.as<NextHop::Relays>();
    if (relays == nullptr || !relay || relays->speak_lmtp) return {};
    RelayLoginResult result = logins_.ask({*relay, port, relays->sender, needs_token});
    if (result.outcome == RelayLoginAnswer::Outcome::temporary)
        log_event("", "relay-login-unknown", {{"host", relay->to_string()}, {"reason", result.problem}});
    return result;
}

// Over the connection that is kept, mail goes with the login of today. A new token of the same user is no
// other login. The keeper is not asked for each of a hundred messages in a second.
bool RemoteDelivery::has_login_changed() {
    constexpr Milliseconds sure_for = std::chrono::seconds(1);
    auto& [relay, port, fingerprint, since] = login_of_client_;
    if (!logins_.is_there() || since.time() < sure_for) return false;
    since = Stopwatch();
    return login_for(relay, port, false).login.fingerprint() != fingerprint;
}

void RemoteDelivery::log_in(const TargetHost& target, const RelayLogin& login) {
    const TlsStream* tls = client_->tls();
    ChannelBinding channel;
    if (tls != nullptr && tls->has_channel_binding())
        channel = [tls](std::string_view kind) { return tls->channel_binding(kind); };
    const auto exchange =
        choose_mechanism(client_->extensions().auth, login, target.host.name, target.port, channel);
    std::string why;
    if (!exchange) {
        why = fmt::format("it offers no mechanism for the login: \"{}\"",
                          printable(client_->extensions().auth));
        client_->refuse_login(why);
    } else {
        client_->log_in(*exchange);
        if (client_->refusal()) why = client_->refusal()->reply.text;
    }
    if (client_->refusal())
        log_event("", "relay-login-failed",
                  {{"host", client_->peer()}, {"login", login.user}, {"reason", why}});
}

// Over the connection that is kept, mail goes by the policy of today.
bool RemoteDelivery::has_policy_changed(TlsWish wish) {
    const std::string& next_hop = policy_of_client_.next_hop;
    return !next_hop.empty() && tls_.policy_for(next_hop, wish) != policy_of_client_.policy;
}

// Without one for a server of this machine.
void RemoteDelivery::choose_policy(const TargetHost& target, TlsWish wish) {
    policy_ = {target.next_hop, {}, wish};
    if (target.socket.empty()) policy_.policy = tls_.policy_for(target.next_hop, wish);
}

DaneRecords RemoteDelivery::dane_records(const Resolver& resolver, const TargetHost& target) const {
    const bool is_needed = target.socket.empty() && TlsPolicies::needs_dane_records(policy_.policy);
    return is_needed ? find_dane_records(resolver, target.host, target.port) : DaneRecords();
}

// TLS is not begun with a server of this machine.
Result<ClientTls> RemoteDelivery::tls_for(const TargetHost& target, const DaneRecords& dane) {
    if (!target.socket.empty()) return ClientTls{};
    return tls_.tls_for(policy_.policy, target.next_hop, target.host, dane);
}

// What is wrong with a host under the policy at hand. REQUIRETLS is final: waiting gives no host an
// extension.
DeliveryResult RemoteDelivery::unusable(const std::string& why) const {
    if (policy_.policy.passes_requiretls) return failed("5.7.30", why);
    return deferred("4.7.5", why);
}

// Why the host that was connected to gets no mail, if it gets none.
std::optional<DeliveryResult> RemoteDelivery::why_unusable() const {
    const auto& refusal = client_->refusal();
    const bool needs_requiretls = policy_.policy.passes_requiretls;
    const bool has_no_tls = refusal && refusal->reply.status == "4.7.4";
    if (refusal && !(has_no_tls && needs_requiretls)) return in_view_of(next_hop_, *refusal);
    if (!needs_requiretls || (client_->is_verified() && client_->extensions().requiretls))
        return std::nullopt;
    DeliveryResult result = unusable(fmt::format("{} does not offer REQUIRETLS", client_->peer()));
    result.by = client_->peer();
    return result;
}

// The open recipients in as many transactions as the server wants (RFC 9422, RCPTMAX, or 452). A recipient
// stays open if another host might take it at once, but not if this server has its message, or has refused
// it.
void RemoteDelivery::hand_over(Attempt& attempt) {
    std::deque<std::size_t> waiting(attempt.open.begin(), attempt.open.end());
    attempt.open.clear();
    attempt.was_reached = true;
    OutgoingEnvelope part = attempt.envelope;
    while (!waiting.empty()) {
        if (!client_) {  // it left in the middle
            attempt.open.insert(attempt.open.end(), waiting.begin(), waiting.end());
            return;
        }
        const auto count = static_cast<std::ptrdiff_t>(std::min(client_->most_recipients(), waiting.size()));
        const std::vector<std::size_t> asked(waiting.begin(), waiting.begin() + count);
        waiting.erase(waiting.begin(), waiting.begin() + count);
        part.recipients.clear();
        for (const std::size_t i : asked) part.recipients.push_back(attempt.envelope.recipients[i]);
        TransactionResult result = client_->send(part, attempt.message, attempt.size);
        for (std::size_t k = 0; k < asked.size(); ++k) {
            const DeliveryResult& one = attempt.results[asked[k]] = std::move(result.recipients[k]);
            if (one.outcome != Verdict::deferred) continue;
            if (result.other_host_may_help) attempt.open.push_back(asked[k]);
            if (result.was_full && one.reply.code == 452) waiting.push_back(asked[k]);
        }
        if (!result.connection_usable) client_.reset();
    }
}

void RemoteDelivery::set_transcript(std::function<void(const std::string&)> transcript) {
    transcript_ = std::move(transcript);
    if (client_) client_->set_transcript(transcript_);
}

void RemoteDelivery::turn_to(NextHop next_hop) {
    close();
    next_hop_ = std::move(next_hop);
    transport_ = config_.remote.transport(next_hop_.transport);
}

void RemoteDelivery::close() {
    if (client_) client_->leave();
    client_.reset();
}

}  // namespace postoffice
