#include "filtering.h"

#include <fmt/format.h>

#include <algorithm>

#include "client_checks.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/routing/envelope_edit.h"
#include "postoffice/smtp/command.h"

namespace postoffice {
namespace {

bool skips(Dialogue& dialogue, const FilterSettings& filter) {
    return (dialogue.is_authenticated() && (filter.skip_login || dialogue.config().filters.safe)) ||
           (filter.skip_trusted && dialogue.client_is_local());
}

FilterClient client_of(const Dialogue& dialogue) {
    FilterClient client;
    client.name = dialogue.state.client_name.str();
    client.address = IpAddress::parse(dialogue.state.client_address.str());
    // Of a client behind a front end the port is unknown.
    const auto peer = Endpoint::peer_of(dialogue.connection.input_fd());
    if (peer && peer->address == client.address) client.port = peer->port;
    client.helo = dialogue.state.helo.str();
    if (const TlsStream* tls = dialogue.connection.tls()) client.tls = tls->description();
    return client;
}

void set_client_macros(FilterMacros& macros, const Dialogue& dialogue, const FilterClient& client) {
    const std::string address = client.address ? client.address->to_string() : "";
    macros.set("_", fmt::format("{} [{}]", client.name, address));
    macros.set("{client_name}", client.name);
    macros.set("{client_addr}", address);
    macros.set("{client_ptr}", client.name);
    macros.set("{client_port}", std::to_string(client.port));
    macros.set("{client_resolve}", dialogue.state.name_status == NameStatus::verified ? "OK" : "FAIL");
    macros.set("s", client.helo);
    if (const auto own = Endpoint::local_of(dialogue.connection.input_fd())) {
        macros.set("{daemon_addr}", own->address.to_string());
        macros.set("{if_addr}", own->address.to_string());
        macros.set("{daemon_port}", std::to_string(own->port));
    }
    if (const TlsStream* tls = dialogue.connection.tls()) {
        std::string_view cipher = client.tls;
        macros.set("{tls_version}", read_until(cipher, ' '));
        macros.set("{cipher}", cipher);
        macros.set("{cipher_bits}", std::to_string(tls->cipher_bits()));
    }
    macros.set("{auth_type}", dialogue.is_authenticated() ? dialogue.login_mechanism : "");
    macros.set("{auth_authen}", dialogue.state.user.str());
    macros.set("r", dialogue.protocol());
}

/// Logs what a filter decided of one step, and turns it into the reply.
std::optional<Reply> conclude(Dialogue& dialogue, std::string_view stage, const FilterVerdict& verdict) {
    dialogue.state.failed_filters = dialogue.filters->failed();
    if (verdict.goes_on()) return std::nullopt;
    const bool is_discarded = verdict.kind == FilterVerdict::Kind::discard;
    log_event(dialogue.transaction.id(), "filtered",
              {{"filter", verdict.filter},
               {"stage", stage},
               {"client", dialogue.client()},
               {"verdict", verdict.word()},
               {"reply", is_discarded ? "" : verdict.reply.line()}});
    if (is_discarded) {
        dialogue.transaction.discard({.filter = verdict.filter});
        return std::nullopt;
    }
    if (verdict.is_unwanted) forget_credit(dialogue, dialogue.transaction.sender());
    if (verdict.reply.code == 421) dialogue.is_over = true;
    return verdict.reply;
}

bool takes_part(const Dialogue& dialogue) {
    return dialogue.filters != nullptr && !dialogue.transaction.discarded();
}

}  // namespace

std::optional<Reply> filter_sender(Dialogue& dialogue, std::string_view parameters) {
    if (!dialogue.services.has_filters) return std::nullopt;
    if (dialogue.filters == nullptr) {
        dialogue.filters =
            std::make_unique<FilterChain>(dialogue.config(), dialogue.services.resolver,
                                          dialogue.state.failed_filters, dialogue.services.kept_filters);
    }
    const FilterClient client = client_of(dialogue);
    set_host_macros(dialogue.filters->macros(), dialogue.config().identity.hostname);
    set_client_macros(dialogue.filters->macros(), dialogue, client);
    dialogue.filters->macros().set("i", dialogue.transaction.id());
    const auto verdict =
        dialogue.filters->mail(client, dialogue.transaction.sender(), parameters,
                               [&](const FilterSettings& filter) { return skips(dialogue, filter); });
    return conclude(dialogue, "mail", verdict);
}

std::optional<Reply> filter_recipient(Dialogue& dialogue, const Address& recipient,
                                      std::string_view parameters, bool is_local) {
    if (!takes_part(dialogue)) return std::nullopt;
    return conclude(dialogue, "rcpt", dialogue.filters->recipient(recipient, parameters, is_local));
}

void tell_filters_of_refusal(Dialogue& dialogue, std::string_view argument, const Reply& reply) {
    if (!takes_part(dialogue)) return;
    const auto path_text = after_keyword(argument, "TO:");
    if (!path_text) return;
    const auto path = parse_path(*path_text, dialogue.path_rules(false));
    if (path) dialogue.filters->refused_recipient(path->address, path->parameters, reply);
}

std::optional<Reply> filter_data(Dialogue& dialogue) {
    if (!takes_part(dialogue)) return std::nullopt;
    return conclude(dialogue, "data", dialogue.filters->data());
}

std::optional<Reply> filter_unknown(Dialogue& dialogue, std::string_view line) {
    if (dialogue.filters == nullptr) return std::nullopt;
    return conclude(dialogue, "unknown", dialogue.filters->unknown(line));
}

std::optional<Reply> filter_message(Dialogue& dialogue, Message& message, Envelope& envelope,
                                    FilterOutcome& outcome) {
    if (dialogue.filters == nullptr || !outcome.discarded_by.empty()) return std::nullopt;
    FilteredMessage filtered = dialogue.filters->examine(message);
    const FilterVerdict& verdict = filtered.verdict;
    if (verdict.kind == FilterVerdict::Kind::refuse) {
        if (verdict.reply.code == 421) dialogue.is_over = true;
        if (verdict.is_unwanted) forget_credit(dialogue, envelope.sender);
        return verdict.reply;
    }
    outcome.unwanted = filtered.unwanted;
    add_verdicts(envelope, std::move(filtered.verdicts));
    if (filtered.has_eight_bit) envelope.parameters.body = Body::eight_bit_mime;
    apply_changes(envelope, filtered.envelope, dialogue.services.router, dialogue.config().identity.hostname,
                  std::string(dialogue.filters->macros().get("i")));
    outcome.discarded_by =
        envelope.recipients.empty() ? "the one that removed all recipients" : verdict.filter;
    outcome.message = std::move(filtered.message);
    return std::nullopt;
}

void end_filtered_message(Dialogue& dialogue) {
    if (dialogue.filters == nullptr) return;
    dialogue.filters->end_message();
    dialogue.state.failed_filters = dialogue.filters->failed();
}

}  // namespace postoffice
