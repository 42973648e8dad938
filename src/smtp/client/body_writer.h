// Message bodies on their way out: from the stored form (LF line ends, any octets) to what stands between 354
// and the final dot. RFC 5321 sections 2.3.8 (CRLF only), 4.5.2 (dot-stuffing) and 4.5.3.1.6 (line length).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postoffice {

/// Encodes one message, piece by piece; where the pieces are cut makes no difference to the result.
///
/// Every CR of the input is dropped and every LF becomes CRLF, so that nothing inside a message is a line end
/// to one server and not to another: the only CRLF.CRLF is ours. Other octets, NUL included, pass unchanged.
/// A line over 998 octets is folded: before its last blank that fits, which changes nothing in a header field
/// (RFC 5322 section 2.2.3), else hard, with a blank at the start of the new line. A run of blanks in the
/// header that would fill a line becomes shorter.
class BodyEncoder {
  public:
    /// Octets of a line without CRLF; the stuffed dot does not count.
    static constexpr std::size_t longest_line = 998;

    /// Appends to `out` what can be said so far.
    void encode(std::string_view bytes, std::string& out);
    /// Ends the last line if it has no end, and appends the final dot.
    void finish(std::string& out);

  private:
    void add_to_line(std::string_view bytes, std::string& out);
    void end_line(std::string_view line, std::string& out);
    std::string_view fold(std::string_view line, std::size_t spare, std::string& out);
    void put(std::string_view text, std::string& out);

    std::string line_;            // the beginning of a line whose end has not been seen, without CR
    bool in_header_ = true;       // up to the first empty line
    bool owes_line_end_ = false;  // of a fold before a blank; written with the text that follows
    std::size_t column_ = 0;      // octets of the line already in `out` (the blank of a hard fold)
};

}  // namespace postoffice
