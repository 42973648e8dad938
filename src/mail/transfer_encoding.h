// The bodies of MIME entities in seven bits: quoted-printable and base64, as streams. RFC 2045 sections 6.7
// and 6.8.
#pragma once

#include <string>
#include <string_view>

namespace postoffice {

/// Lines with LF in, lines of at most 76 characters with LF out. Nothing in the result is a line that mail
/// programs take for something else: a dot at its beginning, "From ", or the delimiter of a multipart.
class QuotedPrintableEncoder {
  public:
    void encode(std::string_view octets, std::string& out);
    /// Ends the last line if it has an end in the input.
    void finish(std::string& out);

  private:
    void put(std::string_view text, std::string& out);
    void put_octet(std::string_view rest, std::string& out);

    std::size_t column_ = 0;
    bool follows_soft_break_ = false;
    char blank_ = 0;  // not written yet: at the end of a line it is escaped
};

/// Line ends become CRLF, the canonical form of text (RFC 2045 section 6.8).
class Base64Encoder {
  public:
    void encode(std::string_view octets, std::string& out);
    /// `has_last_line_end`: false if the last LF belongs to the delimiter that follows (RFC 2046 section
    /// 5.1.1).
    void finish(bool has_last_line_end, std::string& out);

  private:
    void flush_lines(std::string& out);

    std::string octets_;
    bool owes_line_end_ = false;
};

}  // namespace postoffice
