// Final delivery as bytes: stamp (RFC 5321 section 4.4), then the message, into an open file. One reader, one
// writer and their buffers, kept from message to message.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/local/mailbox.h"

namespace postoffice {

class MessageCopier {
  public:
    struct Form {
        bool from_line = false;    ///< "From sender date" in front, an empty line behind (RFC 4155)
        bool escape_from = false;  ///< mboxrd: a line "From …", ">From …", ">>From …" gets one more '>'
    };
    explicit MessageCopier(Form form);

    /// Writes `prefix`, stamp and message at the position (or end) of `to`; returns the octets written. The
    /// message's own Return-Path fields are left out, for there is exactly one. Throws std::system_error, and
    /// FormatError if `message` is no regular file or changes its size meanwhile.
    std::uint64_t copy(std::string_view prefix, const DeliveryStamp& stamp, int message, int to);
    /// The same without prefix and stamp, for a message of `sender` that was not delivered.
    std::uint64_t copy_undelivered(const std::string& sender, int message, int to);

  private:
    struct Reading;
    std::uint64_t copy_lines(int message, int to);
    void put_from_line(const std::string& sender);
    void put_line(Reading& reading, std::string_view piece);
    void flush(int to);

    const Form form_;
    std::vector<char> input_;
    std::string output_;
    std::uint64_t written_ = 0;
    UnixTime stamp_second_ = -1;  // the second that stamp_date_ is for
    std::string stamp_date_;
};

}  // namespace postoffice
