// What a client has said of the message it is about to send: MAIL opens a transaction, RCPT adds to it, DATA,
// RSET, EHLO or another MAIL ends it. RFC 5321 section 3.3.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_set>

#include "postoffice/mail/envelope.h"
#include "postoffice/mail/recipients.h"

namespace postoffice {

class Transaction {
  public:
    void open(Address sender, Body body);
    bool is_open() const { return is_open_; }
    const Address& sender() const { return sender_; }

    /// RCPT was given this address before and it was accepted.
    bool has_recipient(const Address& original) const { return originals_.contains(original.to_string()); }
    /// Takes in where `original` leads. A destination that another recipient leads to already is not added
    /// again.
    void add_recipient(const Address& original, const Route& route);
    void count_refusal() { ++refused_; }

    /// Recipients accepted, as the client counts them.
    std::size_t recipient_count() const { return originals_.size(); }
    std::size_t refused_count() const { return refused_; }
    /// The only recipient; null if there are several.
    Address single_recipient() const;

    /// Everything that was said so far; ends the transaction.
    Envelope take_envelope(Origin origin, bool has_eight_bit);

  private:
    bool is_open_ = false;
    Address sender_;
    Body body_ = Body::seven_bit;
    Address first_original_;
    std::unordered_set<std::string> originals_;
    RecipientCollector recipients_;
    std::size_t refused_ = 0;
};

}  // namespace postoffice
