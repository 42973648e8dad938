// What a server answers, from octets to a Reply. RFC 5321 sections 4.2 and 4.5.3.1.5, RFC 2034 (enhanced
// status codes). The server is a stranger: a reply has bounds in lines and in octets.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "postoffice/base/error.h"
#include "postoffice/mail/reply.h"

namespace postoffice {

/// The server does not speak SMTP, or makes no sense. To the conversation that is the same as its end.
class BadReply : public PeerGone {
  public:
    explicit BadReply(const std::string& what) : PeerGone(what) {}
};

/// Thrown for 421, which may come in place of any answer, and then the server closes (RFC 5321 section 3.8).
struct ClosingDown {
    Reply reply;
};

/// The reply itself, which must not be an intermediate one (3yz): those only answer DATA. Throws BadReply.
Reply completion(Reply reply);

/// Assembles one reply.
class ReplyReader {
  public:
    static constexpr std::size_t most_lines = 256;
    static constexpr std::size_t most_octets = 32768;  ///< of all its lines, as they came

    /// Takes from the beginning of `bytes` what belongs to this reply; returns how many octets that were.
    /// Throws BadReply.
    std::size_t feed(std::string_view bytes);
    bool is_complete() const { return complete_; }
    /// The reply, once complete; the reader is then empty again. Control characters are '?'. The enhanced
    /// status is empty unless the server gave one of the same class as its code.
    Reply take();

  private:
    void read_line(std::string_view line);

    Reply reply_{0, "", ""};
    std::string line_;
    std::size_t lines_ = 0;
    std::size_t octets_ = 0;
    bool complete_ = false;
};

}  // namespace postoffice
