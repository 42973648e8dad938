// A byte stream with a peer, buffered both ways, with a deadline for each wait. Used by the SMTP server and
// by the client alike.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/net/tls.h"

namespace postoffice {

/// How a line ended on the wire.
enum class LineEnd { crlf, bare_lf };

struct Line {
    enum class Status {
        complete,  ///< `text` is the line without its end
        too_long,  ///< it passed the limit; all of it was thrown away, `text` is its beginning
        closed,    ///< end of file before a line end
    } status = Status::closed;
    std::string_view text;  ///< valid until the next read
    LineEnd end = LineEnd::crlf;
};

class Connection {
  public:
    /// One socket for both directions.
    explicit Connection(Fd socket);
    /// Two descriptors (standard input and output).
    Connection(Fd input, Fd output);
    Connection(Connection&&) = default;
    Connection& operator=(Connection&&) = default;

    /// The next line, at most `most` octets without its end. Flushes pending output before it waits, so that
    /// replies to pipelined commands leave together (RFC 2920 section 3.2).
    /// Throws Timeout, PeerGone (reset), std::system_error.
    Line read_line(std::size_t most, Deadline deadline);

    /// What has arrived and was not consumed; waits for at least one octet. Empty only at end of file.
    /// Valid until the next read. Throws as read_line().
    std::string_view peek(Deadline deadline);
    void consume(std::size_t octets);
    /// True if a read would find octets already in the buffer.
    bool has_buffered_input() const { return start_ < end_ || (tls_ && tls_->has_pending()); }
    /// True if the peer has sent something that was not read yet, also if that is still with the kernel. Does
    /// not wait and sends nothing. Sockets only: with standard input, what is in the buffer.
    bool has_unread_input() const;
    /// Forgets what has arrived (STARTTLS; a client that spoke out of turn).
    void discard_input() { start_ = end_ = 0; }
    /// True if input is buffered or arrives (or the peer closes) before the deadline; flushes output first.
    bool wait_for_input(Deadline deadline);

    /// Waits without taking input; true, at once, if the peer will not send more. Flushes output first.
    bool wait_for_end(Deadline deadline);

    /// Appends to the output buffer; it is sent by flush(), by a read that has to wait, or when it is large.
    void write(std::string_view text, Deadline deadline);
    /// Throws Timeout, PeerGone, std::system_error.
    void flush(Deadline deadline);

    /// Sends what is pending in the clear, then goes on under TLS, as the server; the socket serves both
    /// directions. Throws FormatError if the peer has sent something in the clear already that was not read.
    /// `wait_for_input`: as TlsStream has it.
    void start_tls(const TlsServer& server, Deadline deadline,
                   const std::function<void()>& wait_for_input = {});
    /// The same as the client, which expects `peer`; see TlsStream::failure(). Throws as TlsStream, too.
    void start_tls(TlsClient& client, const TlsPeer& peer, Deadline deadline);
    /// Null in the clear.
    const TlsStream* tls() const { return tls_.get(); }
    /// The last word: under TLS a goodbye, so that the peer knows that nothing was cut off.
    void close() noexcept;

    int input_fd() const { return input_.get(); }
    /// Gives up the (input) socket, for parking a client; unsent output and buffered input must be empty.
    Fd release_socket();

  private:
    std::size_t fill(Deadline deadline);
    void end_clear_text(Deadline deadline);
    void flush_tls(Deadline deadline);

    Fd input_;
    Fd output_;  // empty when input_ serves both directions
    int output_fd() const { return output_ ? output_.get() : input_.get(); }
    static constexpr std::size_t buffer_size = 65536;
    std::unique_ptr<char[]> buffer_;
    std::size_t start_ = 0;
    std::size_t end_ = 0;
    std::string pending_;  // output
    std::unique_ptr<TlsStream> tls_;
};

}  // namespace postoffice
