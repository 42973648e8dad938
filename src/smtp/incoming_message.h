// One message on its way in, however it comes (DATA, or the chunks of BDAT): it gets its id and our Received
// field, is completed and limited, and in the end is offered to the acceptor.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "data_pace.h"
#include "data_reader.h"
#include "postoffice/content/content_check.h"
#include "postoffice/mail/reply.h"
#include "postoffice/queue/message.h"
#include "postoffice/queue/message_builder.h"

namespace postoffice {

struct Dialogue;

/// Why no message can come now: there is no sender, or no recipient. For DATA and for the first BDAT.
std::optional<Reply> refuse_message(Dialogue& dialogue);

class IncomingMessage {
  public:
    /// The dialogue's transaction has a sender and recipients.
    IncomingMessage(Dialogue& dialogue, DataDecoder decoder);
    IncomingMessage(const IncomingMessage&) = delete;
    IncomingMessage& operator=(const IncomingMessage&) = delete;

    /// Reads up to where the decoder sees an end. What is thrown in here ends the session, which could not
    /// tell text from commands any more: Timeout, PeerGone (also if the client left), std::system_error.
    void read(Dialogue& dialogue);
    DataDecoder& decoder() { return decoder_; }
    /// Why it cannot become anything, as far as is known yet (552, 452 …).
    const std::optional<Reply>& refusal() const { return builder_.refusal(); }
    /// The message is complete: ends the transaction, and answers for it.
    Reply offer(Dialogue& dialogue, std::string_view verb);

  private:
    /// Why the message is refused, as far as its text and the session tell.
    std::optional<Reply> check_text(Dialogue& dialogue);
    /// As far as its envelope and the program of av= tell; marks both if a verdict calls the message
    /// unwanted.
    std::optional<Reply> check_content(Dialogue& dialogue, Envelope& envelope, CheckedContent& content) const;

    std::string id_;
    Address sender_;  ///< that the message is stored with
    std::optional<SpoolShare> share_;
    Message message_;
    MessageBuilder builder_;
    DataDecoder decoder_;
    DataPace pace_;
};

}  // namespace postoffice
