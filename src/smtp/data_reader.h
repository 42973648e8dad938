// The body of DATA: from octets on the wire to lines that end with LF. RFC 5321
// sections 2.3.8, 4.1.1.4, 4.5.2.
//
// Only CRLF.CRLF ends a message, and only a dot right behind CRLF is taken away, because these are the only
// places where a sender that follows the RFC puts one. A bare LF becomes a line end of what is stored but
// means nothing to the transparency procedure; a CR that no LF follows is dropped. So no sequence that an
// earlier host took for text can end the message here; and what is stored, when it is sent on with CRLF and
// dots doubled, is the same lines again, whatever the next host thinks of lone CR and LF.
//
// In the chunks of BDAT (RFC 3030) nothing but their length ends anything, and a dot is a dot; lines are the
// same.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/net/connection.h"

namespace postoffice {

class DataDecoder {
  public:
    enum class LineEnds {
        crlf,            ///< the rule above
        crlf_or_refuse,  ///< the same; the caller asks has_lone() and refuses the message
        lf_as_well       ///< LF is as good as CRLF: for trusted clients that end their commands so
    };
    /// For DATA.
    explicit DataDecoder(LineEnds line_ends = LineEnds::crlf) : line_ends_(line_ends) {}
    /// For BDAT; expect() says how long a chunk is.
    static DataDecoder for_chunks(LineEnds line_ends);
    void expect(std::uint64_t octets) { octets_left_ = octets; }

    /// Decodes `input` and appends to `output`. Returns how many octets were used: all of them, unless the
    /// end of the message is among them. Chunks may be cut anywhere.
    std::size_t decode(std::string_view input, std::string& output);
    /// The end, of the message or of a chunk, was seen; what follows on the wire is a command.
    bool at_end() const { return in_chunks_ ? octets_left_ == 0 : where_ == Where::end; }
    /// A CR or LF was seen that is no half of a CRLF; to be asked at the end of the message.
    bool has_lone() const { return has_lone_ || where_ == Where::cr; }
    bool refuses_lone() const { return line_ends_ == LineEnds::crlf_or_refuse; }

  private:
    // Where the next octet stands.
    enum class Where {
        line_start,  // behind CRLF, or at the very start
        dot,         // behind CRLF and a dot, which is not stored
        dot_cr,      // behind CRLF, dot and CR
        text,        // inside a line, or behind a bare LF
        cr,          // behind a CR inside a line
        end,
    };
    void step(char octet, std::string& output);

    LineEnds line_ends_;
    Where where_ = Where::line_start;
    bool has_lone_ = false;
    bool in_chunks_ = false;
    std::uint64_t octets_left_ = 0;  // of the chunk
};

enum class DataEnd {
    complete,
    closed,  ///< the client left in the middle
};

/// Waits until more comes, or throws Timeout. Returns when what has begun to come must be there.
using DataWait = std::function<Deadline()>;

/// Reads up to the end of the message. `sink` gets pieces of at most the connection's buffer, LF line ends.
/// Throws Timeout, PeerGone, std::system_error, and what `sink` throws.
DataEnd read_data(Connection& connection, DataDecoder& decoder, const DataWait& wait,
                  const std::function<void(std::string_view)>& sink);

}  // namespace postoffice
