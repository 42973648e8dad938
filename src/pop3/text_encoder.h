// A stored message as it is sent after RETR and TOP: line ends are CRLF, and a line that begins with a dot
// gets another one (RFC 1939 section 3).
#pragma once

#include <string>
#include <string_view>

namespace postoffice {

class TextEncoder {
  public:
    /// Appends the encoded form of the next piece to `out`; how the text is divided makes no difference.
    void encode(std::string_view piece, std::string& out);
    /// Appends what ends the text: the end of its last line, where that is missing, and the line of a dot.
    void finish(std::string& out) const;

  private:
    bool is_line_start_ = true;
    bool ends_in_cr_ = false;  // the piece before
};

}  // namespace postoffice
