// A message as a program on this host hands it to sendmail: read to its end, cleaned to LF line ends, its
// header completed, its body streamed.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "header_completion.h"
#include "postoffice/queue/message.h"

namespace postoffice {

/// The text of a message that cannot be taken: exit status 65.
class BadMessage : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class Submission {
  public:
    struct Settings {
        HeaderSettings header;
        bool names_recipients = false;  ///< the header does: it must be read as a whole
        bool dot_ends = true;           ///< a line of one dot is the end
        std::uint64_t size = 0;         ///< most octets; 0 = no limit
        unsigned hops = 100;            ///< most Received fields
    };
    static constexpr std::size_t longest_header = 1 << 20;

    /// Keeps a reference to `message`.
    Submission(Message& message, Settings settings);

    /// The next octets as they come, cut anywhere. False once a dot has ended the message.
    /// Throws BadMessage; std::system_error from storing.
    bool feed(std::string_view bytes);
    /// End of input. Throws as feed().
    void finish();

    /// What the header says of recipients; after finish().
    const CompletedHeader& header() const { return completed_; }
    bool has_eight_bit() const { return eight_bit_; }
    /// The header goes beyond ASCII, and all of it is UTF-8; after finish().
    bool has_utf8_header() const { return utf8_header_; }

  private:
    enum class LineKind { field, blank, text, from_line, undecided };

    bool ends_with_dot(std::string_view& text);
    void add(std::string_view text);
    LineKind classify(std::string_view line, bool is_whole) const;
    void scan_header();
    void end_header(std::size_t body_at);
    void store(std::string_view text);

    Message& message_;
    Settings settings_;
    CompletedHeader completed_;
    std::string without_cr_;   // buffer for input that has carriage returns
    std::string header_;       // as read, until it has ended
    std::size_t scanned_ = 0;  // octets of header_ that are known to belong to it: whole lines
    std::size_t searched_ =
        0;  // octets of header_ that were searched for the end of a line; at least scanned_
    bool from_line_seen_ = false;
    bool in_body_ = false;
    bool at_line_start_ = true;
    bool held_dot_ = false;  // the text so far ends with a dot that is the first of its line
    bool ended_ = false;
    bool eight_bit_ = false;
    bool utf8_header_ = false;
    std::uint64_t octets_ = 0;
};

/// Feeds all that can be read from `input`, and finishes. Throws BadMessage; std::system_error from storing;
/// and ReadError.
class ReadError : public std::runtime_error {
  public:
    explicit ReadError(int error);
    int error;
};
void read_submission(int input, Submission& submission);

}  // namespace postoffice
