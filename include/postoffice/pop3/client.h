// The client's side of POP3 (RFC 1939), for the test client pop3client(1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/net/connection.h"
#include "postoffice/net/tls_client.h"

namespace postoffice {

/// The server said -ERR, or what is no answer.
class Pop3Refused : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// All functions throw Pop3Refused, Timeout, PeerGone, FormatError (TLS), std::system_error. A server has
/// `patience` for each answer.
class Pop3Client {
  public:
    Pop3Client(Connection connection, Milliseconds patience)
        : connection_(std::move(connection)), patience_(patience) {}

    /// Reads the greeting; returns its text.
    std::string greet();
    /// TLS from the first octet, before greet().
    void start_tls(TlsClient& tls, const TlsPeer& peer);
    /// STLS (RFC 2595), after it.
    void begin_tls(TlsClient& tls, const TlsPeer& peer);
    /// The server's words for its capabilities; empty if it has no CAPA.
    std::vector<std::string> capabilities();
    void log_in(const std::string& user, const std::string& password);
    /// Sends a command; the text behind +OK.
    std::string ask(const std::string& command);
    /// The lines of an answer of many lines, with stuffed dots taken away.
    std::vector<std::string> ask_for_lines(const std::string& command);

  private:
    std::string answer();
    Deadline deadline() const { return Deadline::after(patience_); }

    Connection connection_;
    Milliseconds patience_;
};

}  // namespace postoffice
