// The header of a message and the first lines of its body, for TOP (RFC 1939 section 7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postoffice {

class TopOfMessage {
  public:
    /// MaildropRead::whole lines: all of the message.
    explicit TopOfMessage(std::uint64_t body_lines) : left_(body_lines) {}

    /// The part of the next piece of the message that is wanted; how it is divided makes no difference.
    std::string_view wanted(std::string_view piece);
    /// All that follows is not wanted.
    bool is_done() const { return is_done_; }

  private:
    std::uint64_t left_;    // lines of the body
    std::size_t line_ = 0;  // octets of the line so far, without those of this piece
    char last_ = '\0';      // octet before this piece
    bool is_body_ = false;
    bool is_done_ = false;
};

}  // namespace postoffice
