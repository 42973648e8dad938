// What a client has said of the message it is about to send: MAIL opens a transaction, RCPT adds to it, DATA,
// RSET, EHLO or another MAIL ends it. RFC 5321 section 3.3.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_set>
#include <vector>

#include "postoffice/mail/envelope.h"
#include "postoffice/routing/recipients.h"

namespace postoffice {

class Transaction {
  public:
    /// Recipients that were given before (relaxed-order=) stay.
    void open(Address sender, MailParameters parameters, std::string id);
    /// The message's, should it come to that.
    const std::string& id() const { return id_; }
    /// The message will be taken and thrown away, as `filter` wants.
    void discard(std::string filter) { discarded_by_ = std::move(filter); }
    const std::string& discarded_by() const { return discarded_by_; }
    bool is_open() const { return is_open_; }
    /// Nothing was said that the next command could build on.
    bool is_empty() const { return !is_open_ && originals_.empty(); }
    const Address& sender() const { return sender_; }
    const MailParameters& parameters() const { return parameters_; }

    /// RCPT was given this address before and it was accepted.
    bool has_recipient(const Address& original) const { return originals_.contains(original.to_string()); }
    /// Takes in where `original` leads. A destination that another recipient leads to already is not added
    /// again.
    void add_recipient(const Address& original, const Route& route, const RecipientWishes& wishes);
    void count_refusal() { ++refused_; }
    /// The same, and the client was told that all is well: hide-recipients.
    void hide_refusal() {
        ++refused_;
        ++hidden_;
    }

    /// Recipients accepted, as the client counts them.
    std::size_t recipient_count() const { return originals_.size(); }
    std::vector<std::string> recipients() const { return {originals_.begin(), originals_.end()}; }
    std::size_t refused_count() const { return refused_; }
    std::size_t hidden_refusal_count() const { return hidden_; }
    /// The only recipient; null if there are several.
    Address single_recipient() const;

    /// Everything that was said so far; ends the transaction. `has_eight_bit`, `has_eight_bit_header`: what
    /// was found in the message.
    Envelope read_envelope(Origin origin, bool has_eight_bit, bool has_eight_bit_header);

  private:
    bool is_open_ = false;
    Address sender_;
    MailParameters parameters_;
    std::string id_;
    std::string discarded_by_;
    Address first_original_;
    std::unordered_set<std::string> originals_;
    RecipientCollector recipients_;
    std::size_t refused_ = 0;  ///< the hidden ones, too
    std::size_t hidden_ = 0;
};

}  // namespace postoffice
