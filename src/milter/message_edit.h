// The changes that one filter wants of a message. They are collected in a copy, and count only when the
// filter has ended with a verdict: one that fails half way has changed nothing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "message_content.h"
#include "postoffice/config/value_types.h"
#include "postoffice/mail/envelope_changes.h"
#include "protocol.h"

namespace postoffice::milter {

/// Where a new body is kept, and how long it may be.
struct BodyStore {
    std::string folder;         ///< of the spool
    std::uint64_t minfree = 0;  ///< octets that stay free there
    std::uint64_t most = 0;     ///< octets of a body; 0 = no limit
};

class MessageEdit {
  public:
    /// Keeps the references. `leading_space`: values of fields have the blanks behind the colon.
    MessageEdit(const MessageContent& content, const FilterChanges& allowed, const BodyStore& store,
                bool leading_space);

    /// Takes in an answer that is_change(). One that the filter may not make is ignored. Throws FormatError
    /// for what no message can have, or for too many changes, std::system_error for a full disk.
    void take(const Answer& answer);
    bool has_eight_bit() const { return has_eight_bit_; }
    const EnvelopeChanges& envelope() const { return envelope_; }
    /// "2 fields, body, 1 recipient", for the log; "" without changes.
    std::string summary() const;
    /// Makes the changes of the text. Throws std::system_error.
    void apply_to(MessageContent& content);

  private:
    struct Slot {
        ContentField field;
        bool is_new = false;      ///< the filter has not seen it
        bool is_removed = false;  ///< it keeps its place: the filter counts from the list that it saw
    };
    bool is_allowed(char kind) const;
    void count(std::size_t octets);
    std::vector<Slot>& slots();
    Slot* find(std::string_view name, std::uint32_t index);
    std::string field_text(std::string_view name, std::string_view value);
    void add_field(const Answer& answer);
    void change_field(const Answer& answer);
    void append_to_body(std::string_view octets);
    void change_recipient(const Answer& answer, bool is_added);
    void change_sender(const Answer& answer);

    const MessageContent& content_;
    const FilterChanges& allowed_;
    const BodyStore& store_;
    const bool leading_space_;
    bool is_copied_ = false;
    std::vector<Slot> slots_;
    std::unique_ptr<Message> body_;
    bool body_ends_with_newline_ = true;
    bool has_eight_bit_ = false;
    EnvelopeChanges envelope_;
    std::size_t changes_ = 0;
    std::size_t field_changes_ = 0;
    std::size_t octets_ = 0;
};

}  // namespace postoffice::milter
