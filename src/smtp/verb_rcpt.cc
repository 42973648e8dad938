// RCPT. RFC 5321 sections 3.6.2 (relaying), 4.1.1.3, 4.5.3.1.10 (too many recipients); NOTIFY and ORCPT of
// RFC 3461.
#include <fmt/format.h>

#include <array>

#include "filtering.h"
#include "parameters.h"
#include "policy_checks.h"
#include "postoffice/base/log.h"
#include "postoffice/policy/relaying.h"
#include "verb.h"

namespace postoffice {
namespace {

// user@[address of ours] is a local user (RFC 5321 section 4.1.3): from here on it has our name.
Address without_own_literal(Address address, const std::string& hostname) {
    if (!address.domain().starts_with('[')) return address;
    const auto literal = IpAddress::parse_literal(address.domain());
    if (!literal || !is_own_address(*literal)) return address;
    return Address(address.local_part(), hostname);
}

bool read_notify(std::string_view value, RecipientWishes& wishes) {
    const auto notify = parse_notify(value);
    wishes.notify = notify.value_or(Notify());
    return notify.has_value();
}

bool read_original_recipient(std::string_view value, RecipientWishes& wishes) {
    if (value.size() > max_original_recipient) return false;
    const auto original = parse_original_recipient(value);
    wishes.original_recipient = original.value_or("");
    return original.has_value();
}

constexpr std::array<ParameterRow<RecipientWishes>, 2> rcpt_parameter_table = {{
    {"NOTIFY", "NOTIFY=NEVER or SUCCESS,FAILURE,DELAY", nullptr, read_notify},
    {"ORCPT", "ORCPT=type;xtext", nullptr, read_original_recipient},
}};

// A stranger's sender address may be forged: a report of success would go to a mailbox that sent nothing.
Notify granted(Dialogue& dialogue, const Notify& asked) {
    return asked.success && !offers_dsn(dialogue) ? asked.without_success() : asked;
}

Reply add_recipient(Dialogue& dialogue, std::string_view argument) {
    const auto path_text = after_keyword(argument, "TO:");
    if (!path_text) return syntax_error("RCPT");
    const auto path = parse_path(*path_text, dialogue.path_rules(false));
    if (!path) return {501, "5.1.3", fmt::format("Bad recipient address: {}", path.problem())};
    RecipientWishes wishes;
    if (auto refusal =
            read_parameters<RecipientWishes>(dialogue, rcpt_parameter_table, path->parameters, wishes))
        return *refusal;

    wishes.notify = granted(dialogue, wishes.notify);
    const Config& config = dialogue.config();
    Transaction& transaction = dialogue.transaction;
    if (auto refusal = check_ascii(*path_text, path->parameters, transaction.parameters().smtputf8))
        return *refusal;
    const Address original = path->address.qualified(config.identity.hostname);
    if (transaction.has_recipient(original)) {
        dialogue.count_idle_command();
        return {250, "2.1.5", "Recipient OK, once is enough"};
    }
    if (transaction.recipient_count() + transaction.refused_count() >= config.limits.recipients)
        return {452, "4.5.3",
                fmt::format("Too many recipients: {} at a time, please", config.limits.recipients)};

    const Address address = without_own_literal(original, config.identity.hostname);
    if (requires_relay_permission(config, address) && !dialogue.services.router.is_for_all(address) &&
        !dialogue.client_is_known()) {
        if (dialogue.trust() != ClientTrust::undecided)
            return relaying_denied(config, address, dialogue.client());
        return {451, "4.4.3",
                fmt::format("whether {} may send through {} cannot be looked up now; please try again later",
                            dialogue.client(), config.identity.hostname)};
    }
    const Route route = dialogue.services.router.route(address);
    if (route.status != Route::Status::accepted) return route.refusal;
    if (const auto unavailable = dialogue.services.router.why_unavailable(route)) {
        log_event("", "route-deferred",
                  {{"to", "<" + address.to_string() + ">"}, {"reason", unavailable->detail}});
        return unavailable->reply;
    }
    if (auto refusal = count_recipient(config.limits, dialogue.services.rates, dialogue.rated()))
        return *refusal;
    if (auto refusal = ask_policies(dialogue, PolicyStage::rcpt, {.recipient = original})) return *refusal;
    if (auto refusal = filter_recipient(dialogue, original, path->parameters, route.is_local))
        return *refusal;
    transaction.add_recipient(original, route, wishes);
    dialogue.state.penalties.note_accepted_recipient();
    return {250, "2.1.5", "Recipient OK"};
}

// Not even the time that an answer takes tells a stranger more.
bool hides(Dialogue& dialogue, const Reply& reply) {
    return hides_refusal(dialogue.config(), reply) && !dialogue.client_is_known();
}

// A client that guesses names waits for each answer, and has so many tries.
void remember_refusal(Dialogue& dialogue) {
    SessionPenalties& penalties = dialogue.state.penalties;
    if (penalties.note_refused_recipient(dialogue.config().limits.errors)) ++dialogue.state.errors;
    dialogue.note_misconduct(bad_points::address_refused);
    dialogue.pause(penalties.pause(dialogue.config().limits.tarpit));
}

}  // namespace

bool offers_dsn(Dialogue& dialogue) {
    return dialogue.config().smtp.notify_success || dialogue.client_is_known();
}

std::optional<Reply> check_rcpt(Dialogue& dialogue) {
    if (!dialogue.transaction.is_open()) {
        // Filters and policy services decide about a sender and a recipient.
        const bool may_be_first = dialogue.config().smtp.relaxed_order && !dialogue.services.has_filters &&
                                  !has_policy_for_recipients(dialogue);
        return may_be_first ? check_mail(dialogue) : Reply{503, "5.5.1", "MAIL comes before RCPT"};
    }
    if (dialogue.chunks) return Reply{503, "5.5.1", "The message has begun: RCPT comes before BDAT"};
    return std::nullopt;
}

Reply perform_rcpt(Dialogue& dialogue, const Command& command) {
    Reply reply = add_recipient(dialogue, command.argument);
    if (reply.is_positive()) return reply;
    tell_filters_of_refusal(dialogue, command.argument, reply);
    const bool is_hidden = hides(dialogue, reply);
    if (is_hidden)
        dialogue.transaction.hide_refusal();
    else
        dialogue.transaction.count_refusal();
    log_event("", "refused",
              {{"command", "RCPT"},
               {"client", dialogue.client()},
               {"login", dialogue.state.user.str()},
               {"from", "<" + dialogue.transaction.sender().to_string() + ">"},
               {"argument", command.argument},
               {"reply", reply.line()}});
    if (is_hidden) return {250, "2.1.5", "Recipient OK"};
    if (refuses_address(reply)) remember_refusal(dialogue);
    return reply;
}

}  // namespace postoffice
