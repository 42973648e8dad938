#include "incoming_message.h"

#include <unistd.h>

#include <algorithm>

#include "client_checks.h"
#include "dialogue.h"
#include "filtering.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"
#include "postoffice/mail/header.h"
#include "postoffice/policy/correspondents.h"
#include "postoffice/policy/relaying.h"
#include "postoffice/policy/soliciting.h"
#include "postoffice/queue/spool.h"

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
    return received_field(dialogue.config().identity.hostname, id, envelope,
                          is_ascii(recipient) ? recipient : "");
}

MessageBuilder::Settings builder_settings(const Dialogue& dialogue, const std::string& id) {
    const Config& config = dialogue.config();
    return {.hostname = config.identity.hostname,
            .id = id,
            .sender = dialogue.transaction.sender().to_string(),
            .size = config.limits.size,
            .hops = config.limits.hops,
            .header_size = config.limits.header_size,
            .spam = unwanted_mail(dialogue).why};
}

// Hosts of ours bring the mail of many.
SpoolShare* share_of(Dialogue& dialogue, std::optional<SpoolShare>& share) {
    SpoolShares* const shares = dialogue.services.spool_shares;
    if (shares == nullptr || dialogue.is_standard_input() || dialogue.client_is_local()) return nullptr;
    return &share.emplace(*shares, counted_as(dialogue.rated()));
}

// What users have written down for mail that they want, such as programs, is not done with this. Virtual
// users have no folder: theirs is taken as other mail.
void send_to_folder(Envelope& envelope, MailFolder folder) {
    envelope.folder = folder;
    if (folder == MailFolder::inbox) return;
    std::vector<Recipient> kept;
    for (Recipient& recipient : envelope.recipients) {
        const std::string account = account_of(recipient.destination);
        if (!account.empty()) recipient.destination.kind = Destination::Mailbox{account};
        const bool is_there = std::any_of(kept.begin(), kept.end(), [&](const Recipient& other) {
            return !account.empty() && account_of(other.destination) == account;
        });
        if (!is_there) kept.push_back(std::move(recipient));
    }
    envelope.recipients = std::move(kept);
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
    log_unwanted(dialogue, id, envelope.sender);
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

/// The client is told that all is well, as the filter wants.
Reply discard(const Dialogue& dialogue, const std::string& id, const Envelope& envelope,
              const std::string& filter) {
    log_event(id, "discarded",
              {{"from", "<" + envelope.sender.to_string() + ">"},
               {"client", dialogue.client()},
               {"filter", filter}});
    return {250, "2.0.0", id + " accepted"};
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
      message_(dialogue.config().queue.dir, dialogue.config().queue.minfree, share_of(dialogue, share_)),
      builder_(message_, builder_settings(dialogue, id_), top_fields(dialogue, id_)),
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

Reply IncomingMessage::offer(Dialogue& dialogue, std::string_view verb) {
    auto refusal = builder_.finish();
    if (!refusal && decoder_.refuses_lone() && decoder_.has_lone())
        refusal = Reply{550, "5.6.0", "The message has a CR or LF that is no line end"};
    if (!refusal)
        refusal =
            check_solicitation(dialogue.config().access.no_soliciting, field_value(builder_.solicitation()));
    FilterOutcome filtered{.discarded_by = dialogue.transaction.discarded_by()};
    Envelope envelope = dialogue.transaction.read_envelope(origin_of(dialogue), builder_.has_eight_bit(),
                                                           builder_.has_eight_bit_header());
    envelope.parameters.tls = builder_.tls_wish(envelope.parameters.tls);
    if (!refusal) refusal = filter_message(dialogue, message_, envelope, filtered);
    end_filtered_message(dialogue);
    send_to_folder(envelope, unwanted_mail(dialogue).folder);
    if (!refusal) refusal = check_loop(envelope, builder_.delivered_to());
    const auto log_refused = [&](const Reply& reply) {
        log_event(id_, "refused",
                  {{"command", verb},
                   {"client", dialogue.client()},
                   {"login", dialogue.state.user.str()},
                   {"from", "<" + envelope.sender.to_string() + ">"},
                   {"to", envelope.recipients.empty()
                              ? ""
                              : "<" + envelope.recipients.front().original.to_string() + ">"},
                   {"nrcpt", std::to_string(envelope.recipients.size())},
                   {"reply", reply.line()}});
    };
    if (refusal) {
        log_refused(*refusal);
        return *refusal;
    }
    if (!filtered.discarded_by.empty()) return discard(dialogue, id_, envelope, filtered.discarded_by);
    Message& message = filtered.message ? *filtered.message : message_;
    log_received(dialogue, id_, envelope, message);
    Reply reply = dialogue.services.acceptor.accept(id_, envelope, message);
    if (reply.is_positive()) {
        ++dialogue.state.messages;
        dialogue.state.penalties.note_accepted_message();
        // What comes on standard input becomes a local submission, and is noted as one.
        if (!dialogue.reads_standard_input())
            note_correspondence(dialogue.config().greylist, envelope, dialogue.client_is_known(), now_unix());
    } else {
        log_refused(reply);
    }
    return reply;
}

}  // namespace postoffice
