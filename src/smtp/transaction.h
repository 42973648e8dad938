// What a client has said of the message it is about to send: MAIL opens a transaction, RCPT adds to it, DATA,
// RSET, EHLO or another MAIL ends it. RFC 5321 section 3.3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "postoffice/mail/envelope.h"
#include "postoffice/policy/unwanted_mail.h"
#include "postoffice/routing/recipients.h"

namespace postoffice {

/// What MAIL says for this host alone.
struct Announcement {
    std::uint64_t size = 0;      ///< octets of the message, SIZE=; 0: not said
    std::string submitter = {};  ///< AUTH=, the first submitter, as the client claims; may be "<>"
};

/// What wants the message accepted and thrown away: a filter, or a policy service.
struct Discard {
    std::string filter = {};
    std::string service = {};
    explicit operator bool() const { return !filter.empty() || !service.empty(); }
};

class Transaction {
  public:
    /// Recipients that were given before (relaxed-order=) stay. Gives the message its id.
    void open(Address sender, MailParameters parameters, Announcement announced = {});
    bool is_open() const { return is_open_; }
    /// Nothing was said that the next command could build on.
    bool is_empty() const { return !is_open_ && originals_.empty(); }
    const Address& sender() const { return sender_; }
    const MailParameters& parameters() const { return parameters_; }
    const Announcement& announced() const { return announced_; }
    /// Of the message to come, as the queue will have it; empty before MAIL.
    const std::string& id() const { return id_; }

    /// A whole header field, with its line end, that goes above all others.
    void prepend(const std::string& field) {
        prepended_ += field;
        ++prepended_count_;
    }
    const std::string& prepended() const { return prepended_; }
    std::size_t prepended_count() const { return prepended_count_; }
    /// A policy service calls the message unwanted, and `spam=` accepts it all the same.
    Unwanted& unwanted() { return unwanted_; }
    const Unwanted& unwanted() const { return unwanted_; }
    /// As Envelope::verdicts has it; the first hundred are kept.
    void add_verdict(std::string verdict) {
        if (verdicts_.size() < 100) verdicts_.push_back(std::move(verdict));
    }
    void discard(Discard discarded) { discarded_ = std::move(discarded); }
    const Discard& discarded() const { return discarded_; }
    /// A policy service wants the message held in the queue, for this reason.
    void hold(std::string reason) { hold_ = std::move(reason); }
    const std::optional<std::string>& held() const { return hold_; }

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
    Announcement announced_;
    std::string id_;
    std::string prepended_;
    std::size_t prepended_count_ = 0;
    Discard discarded_;
    std::optional<std::string> hold_;
    Unwanted unwanted_;
    std::vector<std::string> verdicts_;
    Address first_original_;
    std::unordered_set<std::string> originals_;
    RecipientCollector recipients_;
    std::size_t refused_ = 0;  ///< the hidden ones, too
    std::size_t hidden_ = 0;
};

}  // namespace postoffice
