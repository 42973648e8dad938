// The client side of SMTP: one connection to one server, many transactions. RFC 5321, 1870, 2920, 6152.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/net/connection.h"
#include "postoffice/net/ip_address.h"

namespace postoffice {

/// Patience for each step (RFC 5321 section 4.5.3.2) and a ceiling for a whole message.
struct ClientTimeouts {
    Seconds connect{30};
    Seconds greeting{300};
    Seconds command{300};
    Seconds data_block{180};
    Seconds final_dot{600};
    Seconds message{3600};
};

/// What one transaction came to.
struct TransactionResult {
    std::vector<DeliveryResult> recipients;  ///< parallel to those given
    bool connection_usable = true;           ///< another transaction may follow
};

class SmtpClient {
  public:
    /// Connects and greets: EHLO, or HELO where that is not understood. `talk`: called with each line,
    /// ">>> " or "<<< " in front; may be empty. Throws Timeout, PeerGone, std::system_error. A refusal by the
    /// server is not thrown: see refusal().
    SmtpClient(const Endpoint& server, const std::string& server_name, const std::string& own_name,
               const ClientTimeouts& timeouts, std::function<void(const std::string&)> talk = {});
    ~SmtpClient();  ///< closes; quit() first for politeness

    /// The server's refusal in greeting or HELO, as a result for every recipient; outcome delivered = none.
    const DeliveryResult& refusal() const { return refusal_; }
    /// "mx.example.org [192.0.2.1]"
    const std::string& peer() const { return peer_; }
    /// MAIL, RCPT…, DATA for one message, pipelined if offered. `message`: descriptor at any position, LF
    /// line ends; sent with CRLF and dot-stuffing, lone CR dropped, so that it can never end early at any
    /// server. Does not throw: a broken connection is `deferred` for whoever has no answer yet.
    TransactionResult send(const Address& sender, const std::vector<Address>& recipients, Body body,
                           int message, std::uint64_t size);
    /// RSET or nothing: true if the connection still answers.
    bool is_alive();
    void quit();

  private:
    struct Transaction;
    Reply read_reply(Seconds patience);
    void command(const std::string& line);
    bool say_hello(const std::string& own_name);
    void send_body(int message);

    Connection connection_;
    ClientTimeouts timeouts_;
    std::function<void(const std::string&)> talk_;
    std::string peer_;
    DeliveryResult refusal_;
    bool pipelining_ = false, eight_bit_mime_ = false, size_ = false;
    std::uint64_t size_limit_ = 0;
};

}  // namespace postoffice
