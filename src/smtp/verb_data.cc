// DATA: from 354 to the acceptor's word. RFC 5321 sections 4.1.1.4, 6.1.
#include <fmt/format.h>

#include "data_reader.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/mail/receiver.h"
#include "postoffice/mail/spool.h"
#include "verb.h"

namespace postoffice {
namespace {

Origin origin_of(const Dialogue& dialogue) {
    Origin origin;
    origin.protocol = dialogue.state.extended ? "ESMTP" : "SMTP";
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

// A message of its own, for an envelope besides the first.
void copy_message(const Message& from, Message& to) {
    const Fd source = from.open_for_reading();
    std::string block(65536, '\0');
    for (off_t offset = 0;;) {
        const auto n = disk::read_at(source.get(), block, offset);
        if (n == 0) return;
        to.append({block.data(), n});
        offset += static_cast<off_t>(n);
    }
}

Reply hand_over(Dialogue& dialogue, const std::string& id, const Envelope& envelope, Message& message) {
    log_received(dialogue, id, envelope, message);
    Reply reply = dialogue.services.acceptor.accept(id, envelope, message);
    if (!reply.is_positive())
        log_event(id, "refused",
                  {{"command", "DATA"}, {"client", dialogue.client()}, {"reply", reply.line()}});
    return reply;
}

// The first envelope's reply is the client's, if all went well. If one of several failed, the client keeps
// the message and tries again: who has it already gets it twice, which is better than not at all.
Reply hand_over_all(Dialogue& dialogue, const std::string& id, std::vector<Envelope> envelopes,
                    Message& message) {
    for (std::size_t i = 1; i < envelopes.size(); ++i) {
        Message copy(dialogue.config().queue_dir);
        copy_message(message, copy);
        Reply reply = hand_over(dialogue, Spool::new_id(), envelopes[i], copy);
        if (!reply.is_positive()) return reply;
    }
    return hand_over(dialogue, id, envelopes.front(), message);
}

}  // namespace

std::optional<Reply> check_data(const Dialogue& dialogue) {
    const Transaction& transaction = dialogue.transaction;
    if (!transaction.is_open()) return Reply{503, "5.5.1", "MAIL and RCPT come before DATA"};
    if (transaction.recipient_count() > 0) return std::nullopt;
    if (transaction.refused_count() == 0) return Reply{503, "5.5.1", "RCPT comes before DATA"};
    return Reply{554, "5.5.1", "No valid recipients"};
}

Reply perform_data(Dialogue& dialogue, const Command&) {
    const std::string id = Spool::new_id();
    Message message(dialogue.config().queue_dir);
    MessageReceiver receiver(message, receiver_settings(dialogue, id), top_fields(dialogue, id));
    receive(dialogue, receiver);

    auto envelopes = dialogue.transaction.take_envelopes(origin_of(dialogue), receiver.has_eight_bit());
    if (auto refusal = receiver.finish()) {
        log_event(id, "refused",
                  {{"command", "DATA"}, {"client", dialogue.client()}, {"reply", refusal->line()}});
        return *refusal;
    }
    Reply reply = hand_over_all(dialogue, id, std::move(envelopes), message);
    if (reply.is_positive()) ++dialogue.state.messages;
    return reply;
}

}  // namespace postoffice
