#include "policy_checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "client_checks.h"
#include "postoffice/base/log.h"
#include "postoffice/mail/header.h"

namespace postoffice {
namespace {

using Kind = PolicyAction::Kind;

constexpr std::size_t most_fields = 100;  // that services add to one message

std::string_view name_of(PolicyStage stage) {
    return stage == PolicyStage::rcpt ? "rcpt" : stage == PolicyStage::data ? "data" : "end-of-message";
}

bool is_for(const PolicyService::Stages& stages, PolicyStage stage) {
    return stage == PolicyStage::rcpt   ? stages.rcpt
           : stage == PolicyStage::data ? stages.data
                                        : stages.end_of_message;
}

std::string whole(const PolicyAction& action) {
    return action.text.empty() ? action.word : action.word + " " + action.text;
}

bool is_due(Dialogue& dialogue, const PolicyService& service, PolicyStage stage) {
    return is_for(service.stages, stage) && (service.all_clients || !dialogue.client_is_known());
}

/// One stage of one client.
class PolicyRound {
  public:
    PolicyRound(Dialogue& dialogue, PolicyStage stage, const PolicySubject& subject)
        : dialogue_(dialogue), stage_(stage), subject_(subject) {}

    /// False: no other service is asked.
    bool ask(PolicyClient& service) {
        const Stopwatch watch;
        const auto answer = service.ask(policy_attributes(dialogue_, stage_, subject_, service.service()));
        if (!answer) return note_failure(service, answer.problem());
        if (answer->kind == Kind::not_available) {
            log_ignored(service, *answer);
            return true;
        }
        if (answer->kind != Kind::none) note_verdict(service, *answer, watch.time());
        return follow(service, *answer);
    }

    std::optional<Reply> refusal() const { return refusal_ ? refusal_ : if_permitted_; }

  private:
    bool note_failure(const PolicyClient& service, const std::string& reason) {
        const bool accepts = service.service().failure_accepts;
        log_event("", "policy-failed",
                  {{"client", dialogue_.client()},
                   {"service", service.name()},
                   {"reason", reason},
                   {"next", accepts ? "goes on without it" : "the client is to try again"}});
        if (!accepts)
            refusal_ = Reply{451, "4.3.5", "A check of your mail is not possible now; try again later"};
        return accepts;
    }

    void log_ignored(const PolicyClient& service, const PolicyAction& action) const {
        log_event("", "policy-not-followed",
                  {{"client", dialogue_.client()},
                   {"service", service.name()},
                   {"action", whole(action)},
                   {"next", "taken as DUNNO"}});
    }

    /// In the log, and for the journal of the message.
    void note_verdict(const PolicyClient& service, const PolicyAction& action, Milliseconds took) const {
        Transaction& transaction = dialogue_.transaction;
        transaction.add_verdict(
            fmt::format("service {}: {}, {} ms", service.name(), whole(action), took.count()));
        const Address& recipient =
            stage_ == PolicyStage::rcpt ? subject_.recipient : transaction.single_recipient();
        log_event(transaction.id(), "policy-verdict",
                  {{"client", dialogue_.client()},
                   {"from", "<" + transaction.sender().to_string() + ">"},
                   {"to", recipient.is_null() ? "" : "<" + recipient.to_string() + ">"},
                   {"service", service.name()},
                   {"stage", name_of(stage_)},
                   {"action", whole(action)},
                   {"took", std::to_string(took.count()) + "ms"}});
    }

    bool follow(const PolicyClient& service, const PolicyAction& action) {
        switch (action.kind) {
            case Kind::accept:
                return false;
            case Kind::refuse:
                return refuse(service, action.reply);
            case Kind::defer_if_permit:
                if (!if_permitted_) if_permitted_ = action.reply;
                return true;
            case Kind::defer_if_reject:
                if (!if_rejected_) if_rejected_ = action.reply;
                return true;
            case Kind::prepend:
                prepend(service, action);
                return true;
            case Kind::discard:
                dialogue_.transaction.discard({.service = service.name()});
                return false;
            case Kind::hold:
                dialogue_.transaction.hold(action.text);
                return true;
            default:
                return true;
        }
    }

    /// True if the message is unwanted, and goes on all the same.
    bool refuse(const PolicyClient& service, Reply reply) {
        if (service.service().refuses_spam && reply.is_permanent()) {
            forget_credit(dialogue_, dialogue_.transaction.sender());
            auto refusal = dialogue_.transaction.unwanted().add(dialogue_.config().access.spam, reply);
            if (!refusal) return true;
            reply = *std::move(refusal);
        }
        if (reply.code == 421 || reply.code == 521) dialogue_.is_over = true;
        refusal_ = reply.is_permanent() && if_rejected_ ? *if_rejected_ : std::move(reply);
        return false;
    }

    /// The text of the message is stored when its size is known: then no field gets in front of it.
    void prepend(const PolicyClient& service, const PolicyAction& action) const {
        Transaction& transaction = dialogue_.transaction;
        if (stage_ == PolicyStage::end_of_message || transaction.prepended_count() >= most_fields)
            return log_ignored(service, action);
        const std::string_view name = field_name(action.text);
        std::string_view value = action.text;
        value.remove_prefix(value.find(':') + 1);
        transaction.prepend(folded_field(name, field_value(value)));
    }

    Dialogue& dialogue_;
    const PolicyStage stage_;
    const PolicySubject& subject_;
    std::optional<Reply> refusal_;
    std::optional<Reply> if_permitted_;  ///< DEFER_IF_PERMIT
    std::optional<Reply> if_rejected_;   ///< DEFER_IF_REJECT
};

}  // namespace

bool has_policy_for_recipients(Dialogue& dialogue) {
    const auto& services = dialogue.config().access.policy_services;
    return dialogue.services.policies != nullptr &&
           std::any_of(services.begin(), services.end(), [&](const PolicyService& service) {
               return is_due(dialogue, service, PolicyStage::rcpt);
           });
}

std::optional<Reply> ask_policies(Dialogue& dialogue, PolicyStage stage, const PolicySubject& subject) {
    if (dialogue.services.policies == nullptr) return std::nullopt;
    PolicyRound round(dialogue, stage, subject);
    for (PolicyClient& service : dialogue.services.policies->all())
        if (is_due(dialogue, service.service(), stage) && !round.ask(service)) break;
    return round.refusal();
}

}  // namespace postoffice
