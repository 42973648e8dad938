#include "client_checks.h"

#include <fmt/format.h>

#include "policy_checks.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/policy/client.h"
#include "postoffice/policy/dns_lists.h"
#include "postoffice/policy/greylisting.h"
#include "postoffice/policy/hosts_access.h"
#include "postoffice/policy/sender.h"
#include "postoffice/policy/spf.h"

namespace postoffice {
namespace {

using Action = UnwantedMail::Action;

void log_rejection(const Dialogue& dialogue, const AccessVerdict& verdict, std::string_view what) {
    log_event("", "forbidden",
              {{"mark", "REJECT"}, {"client", dialogue.client()}, {"reason", verdict.why}, {"action", what}});
}

bool is_on_a_list(const SessionState& state) {
    return state.list_status == ListStatus::listed || state.list_status == ListStatus::maybe_listed;
}

std::string_view name_of(Action action) {
    return action == Action::bounce ? "bounce" : action == Action::accept ? "accept" : "folder";
}

/// As long as DNS does not tell whether a client is one of ours, it is not turned away for good.
std::optional<Reply> with_patience(Dialogue& dialogue, std::optional<Reply> refusal) {
    if (refusal && refusal->is_permanent() && dialogue.trust() == ClientTrust::undecided)
        return Reply{450, "4.7.1", refusal->text};
    return refusal;
}

std::optional<Reply> check_lists(Dialogue& dialogue, const Resolver& resolver, const Client& client,
                                 const Address& sender) {
    SessionState& state = dialogue.state;
    if (state.list_status == ListStatus::unasked) {
        const auto verdict = consult_dns_lists(dialogue.config().access, resolver, client.address.value());
        state.list_status = verdict.status;
        state.listed.assign_cut(verdict.why);
    }
    if (state.list_status == ListStatus::listed) forget_credit(dialogue, sender);
    if (!is_on_a_list(state)) return std::nullopt;
    const bool is_sure = state.list_status == ListStatus::listed;
    return Unwanted().add(dialogue.config().access.spam,
                          {is_sure ? 554 : 450, is_sure ? "5.7.1" : "4.7.1", state.listed.str()},
                          dialogue.config().identity.hostname + " takes no mail from you: ");
}

/// SPF is looked at for what speaks for a client, never for what speaks against it.
bool domain_vouches_for(const Dialogue& dialogue, const GreylistFacts& facts) {
    if (!dialogue.config().greylist.spf) return false;
    const auto verdict =
        check_spf(dialogue.resolver(), {facts.client, facts.sender, dialogue.state.helo.str()});
    return verdict.result == SpfResult::pass && !verdict.passes_everybody;
}

/// One line for each message that is refused before its text.
Reply refuse_before_data(const Dialogue& dialogue, std::string_view reason, Reply reply) {
    const Transaction& transaction = dialogue.transaction;
    const auto recipients = transaction.recipients();
    log_event("", "refused",
              {{"command", dialogue.last_command},
               {"client", dialogue.client()},
               {"from", "<" + transaction.sender().to_string() + ">"},
               {"to", recipients.empty() ? "" : "<" + recipients.front() + ">"},
               {"nrcpt", std::to_string(recipients.size())},
               {"reason", reason},
               {"reply", reply.line()}});
    return reply;
}

/// Not earlier than DATA, so that hosts which ask whether a sender exists, by a dialogue without a message,
/// get a positive answer. What cannot be looked up keeps no client out.
std::optional<Reply> check_greylist(Dialogue& dialogue) try {
    const Config& config = dialogue.config();
    const Client client = dialogue.facts();
    if (!config.greylist.enabled || !client.address || dialogue.state.list_status == ListStatus::known_good)
        return std::nullopt;
    GreylistFacts facts{dialogue.transaction.sender(), *client.address,
                        client.name_status == NameStatus::verified};
    if (facts.sender.is_null()) facts.recipients = dialogue.transaction.recipients();
    const auto ask = dialogue.services.is_rehearsal ? preview_greylist : consult_greylist;
    const GreylistVerdict verdict =
        ask(config.greylist, facts, now_unix(), [&] { return domain_vouches_for(dialogue, facts); });
    if (verdict.kind == GreylistVerdict::Kind::pass) return std::nullopt;
    if (verdict.kind == GreylistVerdict::Kind::never)
        return refuse_before_data(
            dialogue, "blacklist",
            {554, "5.7.1", fmt::format("{} takes no mail from this sender", config.identity.hostname)});
    return refuse_before_data(
        dialogue, "greylist",
        {451, "4.7.1",
         fmt::format("We do not know you yet; please try again in {} seconds", verdict.seconds)});
} catch (const std::exception& error) {
    log_event("", "greylist-unusable", {{"client", dialogue.client()}, {"reason", in_plain_words(error)}});
    return std::nullopt;
}

}  // namespace

void forget_credit(Dialogue& dialogue, const Address& sender) try {
    const Client client = dialogue.facts();
    if (!dialogue.config().greylist.enabled || dialogue.services.is_rehearsal || !client.address ||
        dialogue.client_is_known())
        return;
    forget_greylist_credit(dialogue.config().greylist, {sender, *client.address});
} catch (const std::exception& error) {
    log_event("", "greylist-unusable", {{"client", dialogue.client()}, {"reason", in_plain_words(error)}});
}

std::optional<Reply> check_client(Dialogue& dialogue) {
    using Kind = AccessVerdict::Kind;
    if (dialogue.is_standard_input()) return std::nullopt;
    const Client client = dialogue.facts();
    const AccessVerdict verdict = consult_hosts_access(client, dialogue.services.access_tables);
    if (verdict.kind == Kind::welcome) return std::nullopt;
    const Action action = dialogue.config().access.forbidden.action;
    // A port for users takes mail only from a client that has logged in, and that lifts the denial.
    const bool may_log_in = dialogue.state.submission != 0;
    if (verdict.kind == Kind::denied && (action != Action::bounce || may_log_in)) {
        const std::string why = verdict.why.empty() ? "" : " because " + verdict.why;
        dialogue.state.forbidden.assign_cut(fmt::format(
            "{} does not want mail from {}{}", dialogue.config().identity.hostname, client.text(), why));
        return std::nullopt;  // see log_unwanted()
    }
    log_rejection(dialogue, verdict,
                  verdict.kind == Kind::outlawed    ? "hang up"
                  : verdict.kind == Kind::temporary ? "try again later"
                                                    : name_of(action));
    return refusal_for(verdict, dialogue.config().identity.hostname, client);
}

std::optional<Reply> check_introduction(Dialogue& dialogue, std::string_view name) {
    if (!dialogue.config().access.checkhelo || dialogue.client_is_known()) return std::nullopt;
    auto refusal = check_hello(dialogue.config(), dialogue.facts(), name);
    if (!refusal) return std::nullopt;
    refusal = with_patience(dialogue, refusal);
    log_event(
        "", "refused",
        {{"command", "HELO"}, {"client", dialogue.client()}, {"argument", name}, {"reply", refusal->line()}});
    dialogue.state.phase = SessionState::Phase::refused;
    return refusal;
}

std::optional<Reply> check_stranger(Dialogue& dialogue, const Address& sender) {
    if (dialogue.client_is_known()) return std::nullopt;
    const Client client = dialogue.facts();
    const Resolver resolver = dialogue.resolver();
    auto refusal = check_client_name(dialogue.config(), client);
    if (!refusal) refusal = check_lists(dialogue, resolver, client, sender);
    if (!refusal) refusal = check_sender(dialogue.config(), resolver, sender);
    return with_patience(dialogue, std::move(refusal));
}

std::optional<Reply> check_before_data(Dialogue& dialogue) {
    if (!dialogue.client_is_known()) {
        if (const auto refusal = check_daemon(dialogue.config(), dialogue.transaction.sender()))
            return refuse_before_data(dialogue, "nodaemon", *refusal);
        if (auto refusal = check_greylist(dialogue)) return refusal;
    }
    if (const auto refusal = ask_policies(dialogue, PolicyStage::data))
        return refuse_before_data(dialogue, "policy-service", *refusal);
    return std::nullopt;
}

void log_unwanted(const Dialogue& dialogue, const std::string& id, const Envelope& envelope) {
    const SessionState& state = dialogue.state;
    const Config& config = dialogue.config();
    const auto log = [&](LogEvent event, std::string_view mark, const std::string& why, Action action) {
        log_event(id, event,
                  {{"mark", mark},
                   {"client", dialogue.client()},
                   {"from", "<" + envelope.sender.to_string() + ">"},
                   {"reason", why},
                   {"action", name_of(action)}});
    };
    const std::string forbidden = dialogue.is_authenticated() ? "" : state.forbidden.str();
    if (!forbidden.empty()) log("forbidden", "REJECT", forbidden, config.access.forbidden.action);
    if (!envelope.unwanted.empty() && envelope.unwanted != forbidden)
        log("spam", "SPAM", envelope.unwanted, config.access.spam.action);
}

Unwanted unwanted_mail(const Dialogue& dialogue) {
    const SessionState& state = dialogue.state;
    const AccessConfig& access = dialogue.config().access;
    if (dialogue.is_authenticated()) return dialogue.transaction.unwanted();
    if (access.forbidden.action == Action::folder && !state.forbidden.str().empty())
        return {state.forbidden.str(), MailFolder::forbidden};
    Unwanted listed;
    if (is_on_a_list(state)) (void)listed.add(access.spam, {554, "5.7.1", state.listed.str()});
    return listed ? listed : dialogue.transaction.unwanted();
}

}  // namespace postoffice
