// DATA: from 354 to the acceptor's word. RFC 5321 sections 4.1.1.4, 6.1.
#include "filtering.h"
#include "incoming_message.h"
#include "verb.h"

namespace postoffice {
namespace {

// A client that ends its commands with LF alone ends its message the same way: a program on standard input,
// and with bare-newline=accept a trusted host. From other clients that would let text end a message.
bool lf_is_enough(Dialogue& dialogue) {
    if (dialogue.command_line_end != LineEnd::bare_lf) return false;
    if (dialogue.reads_standard_input()) return true;
    return dialogue.config().smtp.bare_newline == BareNewline::accept && dialogue.client_is_local();
}

// How the lines of this client's message may end.
DataDecoder::LineEnds line_ends_for(Dialogue& dialogue) {
    if (lf_is_enough(dialogue)) return DataDecoder::LineEnds::lf_as_well;
    const bool reject = dialogue.config().smtp.bare_newline == BareNewline::reject;
    return reject ? DataDecoder::LineEnds::crlf_or_refuse : DataDecoder::LineEnds::crlf;
}

}  // namespace

std::optional<Reply> check_data(Dialogue& dialogue) {
    if (dialogue.chunks) return Reply{503, "5.5.1", "This message comes by BDAT"};
    if (auto refusal = refuse_message(dialogue)) return refusal;
    return filter_data(dialogue);
}

Reply perform_data(Dialogue& dialogue, const Command&) {
    // DATA is the last command of a group (RFC 2920 section 3.1). What follows it before our 354 was not
    // written for this dialogue: a web client's form, or a message inside of a message.
    if (!dialogue.may_run_ahead() && dialogue.connection.has_unread_input()) {
        dialogue.abandon_transaction();
        dialogue.drop("sent text before the answer to DATA");
        return {554, "5.5.0", "You sent text before the answer to DATA; mail clients wait for it"};
    }
    IncomingMessage message(dialogue, DataDecoder(line_ends_for(dialogue)));
    dialogue.is_reading_message = true;
    dialogue.connection.write(Reply{354, "", "End the message with a dot on a line by itself"}.wire(),
                              dialogue.deadline());
    message.read(dialogue);
    return message.offer(dialogue, "DATA");
}

}  // namespace postoffice
