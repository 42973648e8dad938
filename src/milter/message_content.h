// A message as filters see it: fields and a body. What filters change is kept here, until the message is
// written anew behind the last of them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/fd.h"
#include "postoffice/mail/reply.h"
#include "postoffice/queue/message.h"

namespace postoffice::milter {

struct ContentField {
    std::string name;
    std::string text;        ///< whole lines with LF
    bool is_hidden = false;  ///< from filters: the Received field of this host

    /// What follows the colon, without the last line end; without the blank in front, unless
    /// `leading_space`.
    std::string_view value(bool leading_space) const;
};

class MessageContent {
  public:
    /// Reads the header of a message that MessageBuilder has completed. Throws std::system_error.
    explicit MessageContent(Message& message);

    /// Why filters cannot take it: a field, or its header, is too long.
    std::optional<Reply> refusal() const { return refusal_; }
    const std::vector<ContentField>& fields() const { return fields_; }
    void replace_fields(std::vector<ContentField> fields);
    /// From here on this is the body. Throws std::system_error.
    void replace_body(Message& body);
    /// It is not what was read any more.
    bool is_changed() const { return is_changed_; }
    /// Calls `take` with pieces of the body, with CRLF, of `most_data` octets or less, until it returns
    /// false.
    void read_body(const std::function<bool(std::string_view)>& take) const;
    /// Throws std::system_error.
    void write_to(Message& message) const;

  private:
    void read_from(Message& message);
    std::size_t read_at(std::span<char> block, std::int64_t offset) const;
    void read_header(std::string_view header);

    std::vector<ContentField> fields_;
    std::string memory_;  ///< a small message; a large one is in file_
    Fd file_;
    std::int64_t body_start_ = 0;
    bool has_body_ = false;
    bool is_changed_ = false;
    std::optional<Reply> refusal_;
};

}  // namespace postoffice::milter
