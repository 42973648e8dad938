// DATA: from 354 to the acceptor's word. RFC 5321 sections 4.1.1.4, 6.1.
#include <fmt/format.h>

#include <algorithm>

#include "admission.h"
#include "data_reader.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/mail/receiver.h"
#include "postoffice/mail/spool.h"
#include "postoffice/policy/soliciting.h"
#include "verb.h"

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

// Our Received field needs the envelope only for its origin and time.
std::string top_fields(const Dialogue& dialogue, const std::string& id) {
    Envelope envelope;
    envelope.sender = dialogue.transaction.sender();
    envelope.origin = origin_of(dialogue);
    envelope.arrived = now_unix();
    return received_field(dialogue.config().hostname, id, envelope,
                          dialogue.transaction.single_recipient().to_string());
}

MessageReceiver::Settings receiver_settings(const Dialogue& dialogue, const std::string& id) {
    const Config& config = dialogue.config();
    return {.hostname = config.hostname,
            .id = id,
            .sender = dialogue.transaction.sender().to_string(),
            .size = config.size,
            .hops = config.hops};
}

// Reads the message off the wire. Whatever is thrown in here ends the session: it could not tell text from
// commands any more.
void receive(Dialogue& dialogue, MessageReceiver& receiver) {
    // On standard input a program that ends its commands with LF ends its message the same way.
    const bool lf_is_enough = dialogue.is_standard_input() && dialogue.command_line_end == LineEnd::bare_lf;
    DataDecoder decoder(lf_is_enough ? DataDecoder::LineEnds::lf_as_well : DataDecoder::LineEnds::crlf);

    dialogue.is_reading_message = true;
    dialogue.connection.write(Reply{354, "", "End the message with a dot on a line by itself"}.wire(),
                              dialogue.deadline());
    const auto end = read_data(dialogue.connection, decoder, dialogue.config().timeout,
                               [&](std::string_view text) { receiver.feed(text); });
    if (end == DataEnd::closed) throw PeerGone("end of file inside a message");
    dialogue.is_reading_message = false;
}

// What users have written down for mail that they want, such as programs, is not done with this.
void send_to_folder(Envelope& envelope, std::string reason) {
    envelope.forbidden = std::move(reason);
    if (envelope.forbidden.empty()) return;
    std::vector<Recipient> kept;
    for (Recipient& recipient : envelope.recipients) {
        Target& target = recipient.target;
        if (!target.user.empty()) target = {Target::Kind::mailbox, target.user, target.address};
        const bool is_there = std::any_of(kept.begin(), kept.end(), [&](const Recipient& other) {
            return !target.user.empty() && other.target.user == target.user;
        });
        if (!is_there) kept.push_back(std::move(recipient));
    }
    envelope.recipients = std::move(kept);
}

std::string unfolded(std::string text) {
    std::erase_if(text, [](char c) { return c == '\n'; });
    return text;
}

void log_received(const Dialogue& dialogue, const std::string& id, const Envelope& envelope,
                  const Message& message) {
    log_event(id, "received",
              {{"from", "<" + envelope.sender.to_string() + ">"},
               {"client", dialogue.client()},
               {"helo", envelope.origin.helo},
               {"size", std::to_string(message.size())},
               {"nrcpt", std::to_string(envelope.recipients.size())},
               {"proto", envelope.origin.protocol}});
}

void log_refused(const Dialogue& dialogue, const std::string& id, const Reply& reply) {
    log_event(id, "refused", {{"command", "DATA"}, {"client", dialogue.client()}, {"reply", reply.line()}});
}

}  // namespace

std::optional<Reply> check_data(Dialogue& dialogue) {
    const Transaction& transaction = dialogue.transaction;
    if (!transaction.is_open()) return Reply{503, "5.5.1", "MAIL and RCPT come before DATA"};
    if (transaction.recipient_count() > 0) return check_before_data(dialogue);
    if (transaction.refused_count() == 0) return Reply{503, "5.5.1", "RCPT comes before DATA"};
    return Reply{554, "5.5.1", "No valid recipients"};
}

Reply perform_data(Dialogue& dialogue, const Command&) {
    const std::string id = Spool::new_id();
    Message message(dialogue.config().queue_dir);
    MessageReceiver receiver(message, receiver_settings(dialogue, id), top_fields(dialogue, id));
    receive(dialogue, receiver);

    Envelope envelope = dialogue.transaction.take_envelope(origin_of(dialogue), receiver.has_eight_bit());
    send_to_folder(envelope, reason_for_folder(dialogue));
    auto refusal = receiver.finish();
    if (!refusal)
        refusal = check_solicitation(dialogue.config().no_soliciting, unfolded(receiver.solicitation()));
    if (refusal) {
        log_refused(dialogue, id, *refusal);
        return *refusal;
    }
    log_received(dialogue, id, envelope, message);
    Reply reply = dialogue.services.acceptor.accept(id, envelope, message);
    if (reply.is_positive())
        ++dialogue.state.messages;
    else
        log_refused(dialogue, id, reply);
    return reply;
}

}  // namespace postoffice
