#include "incoming_message.h"

#include <unistd.h>

#include <algorithm>

#include "client_checks.h"
#include "dialogue.h"
#include "filtering.h"
#include "policy_checks.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"
#include "postoffice/content/content_check.h"
#include "postoffice/mail/header.h"
#include "postoffice/policy/correspondents.h"
#include "postoffice/policy/relaying.h"
#include "postoffice/policy/soliciting.h"

namespace postoffice {
namespace {

Origin origin_of(const Dialogue& dialogue) {
    Origin origin;
    origin.protocol = dialogue.protocol();
    if (const TlsStream* tls = dialogue.connection.tls()) origin.tls = tls->description();
    origin.helo = dialogue.state.helo.str();
    origin.client_name = dialogue.state.client_name.str();
    origin.client_address = dialogue.state.client_address.str();
    return origin;
}

// Our Received field needs the envelope only for its origin and time. An address beyond ASCII would make a
// header that needs SMTPUTF8 of one that did not.
std::string top_fields(const Dialogue& dialogue, const std::string& id) {
    Envelope envelope;
    envelope.sender = dialogue.transaction.sender();
    envelope.origin = origin_of(dialogue);
    envelope.arrived = now_unix();
    const std::string recipient = dialogue.transaction.single_recipient().to_string();
    return dialogue.transaction.prepended() + received_field(dialogue.config().identity.hostname, id,
                                                             envelope, is_ascii(recipient) ? recipient : "");
}

// What comes on standard input becomes a local submission, and is rewritten as one.
bool is_rewritten(Dialogue& dialogue) {
    return !dialogue.config().routing.canonical.empty() && dialogue.client_is_known() &&
           !dialogue.reads_standard_input();
}

Address stored_sender(Dialogue& dialogue) {
    const Address& sender = dialogue.transaction.sender();
    return is_rewritten(dialogue) ? dialogue.services.router.canonical(sender) : sender;
}

MessageBuilder::Settings builder_settings(Dialogue& dialogue, const std::string& id, const Address& sender) {
    const Config& config = dialogue.config();
    AddressRewriter rewritten;
    if (is_rewritten(dialogue))
        rewritten = [&](const Address& address) { return dialogue.services.router.canonical(address); };
    return {.hostname = config.identity.hostname,
            .id = id,
            .sender = sender.to_string(),
            .size = config.limits.size,
            .hops = config.limits.hops,
            .header_size = config.limits.header_size,
            .rewritten = rewritten};
}

// Hosts of ours bring the mail of many.
SpoolShare* share_of(Dialogue& dialogue, std::optional<SpoolShare>& share) {
    SpoolShares* const shares = dialogue.services.spool_shares;
    if (shares == nullptr || dialogue.is_standard_input() || dialogue.client_is_local()) return nullptr;
    return &share.emplace(*shares, counted_as(dialogue.rated()));
}

// The address that would send the message on; empty if it stays here. Of a delivery file that decides for
// each message only its owner can tell.
std::string sent_on_by(const Recipient& recipient, const Envelope& envelope) {
    if (recipient.destination.is<Destination::Instructions>())
        return recipient.destination.address.to_string();
    return recipient.destination.is<Destination::Remote>() ? forwarded_by(recipient, envelope) : "";
}

// A message that comes back to an address which has sent it on already goes round in circles. The client is
// told: a report of our own would go to a sender that may be forged.
std::optional<Reply> check_loop(const Envelope& envelope, const std::vector<std::string>& delivered_to) {
    for (const Recipient& recipient : envelope.recipients) {
        const std::string by = sent_on_by(recipient, envelope);
        const auto is_by = [&](const std::string& field) {
            return equals_ignoring_case(field_value(field), by);
        };
        if (!by.empty() && std::any_of(delivered_to.begin(), delivered_to.end(), is_by))
            return Reply{554, "5.4.6", "Mail loop: the message has been here before"};
    }
    return std::nullopt;
}

void log_received(const Dialogue& dialogue, const std::string& id, const Envelope& envelope,
                  const Message& message) {
    log_unwanted(dialogue, id, envelope);
    log_event(id, "received",
              {{"from", "<" + envelope.sender.to_string() + ">"},
               {"client", dialogue.client()},
               {"login", dialogue.state.user.str()},
               {"uid", dialogue.is_standard_input() ? std::to_string(::getuid()) : ""},
               {"helo", envelope.origin.helo},
               {"mark", mark_of(envelope.folder)},
               {"size", std::to_string(message.size())},
               {"nrcpt", std::to_string(envelope.recipients.size())},
               {"proto", envelope.origin.protocol}});
}

/// The client is told that all is well, as a filter or a policy service wants.
Reply discard(const Dialogue& dialogue, const std::string& id, const Envelope& envelope,
              const Discard& wanted) {
    log_event(id, "discarded",
              {{"from", "<" + envelope.sender.to_string() + ">"},
               {"client", dialogue.client()},
               {"filter", wanted.filter},
               {"service", wanted.service}});
    return {250, "2.0.0", id + " accepted"};
}

void log_refused(const Dialogue& dialogue, const std::string& id, std::string_view verb,
                 const Envelope& envelope, const Reply& reply) {
    const auto& recipients = envelope.recipients;
    log_event(id, "refused",
              {{"command", verb},
               {"client", dialogue.client()},
               {"login", dialogue.state.user.str()},
               {"from", "<" + envelope.sender.to_string() + ">"},
               {"to", recipients.empty() ? "" : "<" + recipients.front().original.to_string() + ">"},
               {"nrcpt", std::to_string(recipients.size())},
               {"reply", reply.line()}});
}

}  // namespace

std::optional<Reply> refuse_message(Dialogue& dialogue) {
    const Transaction& transaction = dialogue.transaction;
    if (transaction.hidden_refusal_count() > 0) {
        dialogue.note_misconduct(bad_points::address_refused);
        return refused_with_message();
    }
    if (!transaction.is_open()) return Reply{503, "5.5.1", "MAIL and RCPT come before the message"};
    if (transaction.recipient_count() > 0) return check_before_data(dialogue);
    if (transaction.refused_count() == 0) return Reply{503, "5.5.1", "RCPT comes before the message"};
    return Reply{554, "5.5.1", "No valid recipients"};
}

IncomingMessage::IncomingMessage(Dialogue& dialogue, DataDecoder decoder)
    : id_(dialogue.transaction.id()),
      sender_(stored_sender(dialogue)),
      message_(dialogue.config().queue.dir, dialogue.config().queue.minfree, share_of(dialogue, share_)),
      builder_(message_, builder_settings(dialogue, id_, sender_), top_fields(dialogue, id_)),
      decoder_(decoder),
      pace_(dialogue) {}

void IncomingMessage::read(Dialogue& dialogue) {
    dialogue.is_reading_message = true;
    const auto end = read_data(
        dialogue.connection, decoder_, [this] { return pace_.wait(); },
        [this](std::string_view text) {
            pace_.count(text.size());
            builder_.feed(text);
        });
    if (end == DataEnd::closed) throw PeerGone("end of file inside a message");
    dialogue.is_reading_message = false;
}

std::optional<Reply> IncomingMessage::check_text(Dialogue& dialogue) {
    if (auto refusal = builder_.finish()) return refusal;
    if (decoder_.refuses_lone() && decoder_.has_lone())
        return Reply{550, "5.6.0", "The message has a CR or LF that is no line end"};
    const std::string declared = field_value(builder_.solicitation());
    if (auto refusal = check_solicitation(dialogue.config().access.no_soliciting, declared)) return refusal;
    return ask_policies(dialogue, PolicyStage::end_of_message, {.size = builder_.octets()});
}

std::optional<Reply> IncomingMessage::check_content(Dialogue& dialogue, Envelope& envelope,
                                                    CheckedContent& content) const {
    // What comes on standard input becomes a local submission, and is looked at as one.
    if (!dialogue.reads_standard_input()) {
        auto refusal = content.check(dialogue.config(), dialogue.services.scanner, id_);
        dialogue.last_scan = content.scanned();
        if (content.is_unwanted() || (refusal && refusal->is_permanent()))
            forget_credit(dialogue, envelope.sender);
        content.mark(dialogue.config(), envelope);
        if (refusal) return refusal;
    }
    return check_loop(envelope, builder_.delivered_to());
}

Reply IncomingMessage::offer(Dialogue& dialogue, std::string_view verb) {
    auto refusal = check_text(dialogue);
    Discard discarded = dialogue.transaction.discarded();
    Unwanted unwanted = unwanted_mail(dialogue);
    const std::optional<std::string> held = dialogue.transaction.held();
    FilterOutcome filtered{.discarded_by = discarded.filter};
    Envelope envelope = dialogue.transaction.read_envelope(origin_of(dialogue), builder_.has_eight_bit(),
                                                           builder_.has_eight_bit_header());
    envelope.sender = sender_;
    envelope.parameters.tls = builder_.tls_wish(envelope.parameters.tls);
    if (!refusal) refusal = filter_message(dialogue, message_, envelope, filtered);
    end_filtered_message(dialogue);
    discarded.filter = filtered.discarded_by;
    if (!envelope.hold) envelope.hold = held;
    CheckedContent content(filtered.message ? *filtered.message : message_,
                           unwanted ? std::move(unwanted) : std::move(filtered.unwanted));
    if (!refusal && !discarded) refusal = check_content(dialogue, envelope, content);
    if (refusal) {
        log_refused(dialogue, id_, verb, envelope, *refusal);
        return *refusal;
    }
    if (discarded) return discard(dialogue, id_, envelope, discarded);
    log_received(dialogue, id_, envelope, content.message());
    Reply reply = dialogue.services.acceptor.accept(id_, envelope, content.message());
    if (reply.is_positive()) {
        ++dialogue.state.messages;
        dialogue.state.penalties.note_accepted_message();
        // What comes on standard input becomes a local submission, and is noted as one.
        if (!dialogue.reads_standard_input())
            note_correspondence(dialogue.config().greylist, envelope, dialogue.client_is_known(), now_unix());
    } else {
        log_refused(dialogue, id_, verb, envelope, reply);
    }
    return reply;
}

}  // namespace postoffice
