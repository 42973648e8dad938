// The client side of SMTP, and of LMTP: one connection to one server, many transactions. RFC 5321, 1870
// (SIZE), 2033 (LMTP), 2852 (DELIVERBY), 2920 (PIPELINING), 3207 (STARTTLS), 3461 (DSN), 6152 (8BITMIME),
// 6531 (SMTPUTF8), 6710 (MT-PRIORITY), 9422 (LIMITS).
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/header.h"
#include "postoffice/net/connection.h"
#include "postoffice/smtp/client/client_tls.h"
#include "postoffice/smtp/client/sasl_exchange.h"

namespace postoffice {

/// Patience for each step (RFC 5321 section 4.5.3.2), and a ceiling for a whole message against servers that
/// are slow on purpose.
struct ClientTimeouts {
    Seconds connect{30};
    Seconds greeting{300};
    Seconds command{300};
    Seconds data_block{180};
    Seconds final_dot{600};
    Seconds message{3600};
    Seconds starttls{120};  ///< the handshake
};

/// A server, and the protocol that it speaks.
struct MailServer {
    std::string name;                           ///< for people
    std::variant<Endpoint, std::string> place;  ///< or the path of a socket
    /// LMTP (RFC 2033): the greeting is LHLO, and each accepted recipient has an answer to the message.
    bool speaks_lmtp = false;
    ClientTls tls = {};
    /// Further addresses, tried in this order where those before do not answer soon: connect_to_first().
    std::vector<Endpoint> more_places = {};
    std::vector<IpAddress> source_addresses = {};  ///< of this host, as connect_to_first() has them
};

/// What a server offers in its answer to EHLO or LHLO.
struct ServerExtensions {
    bool pipelining = false, eight_bit_mime = false, size = false, dsn = false, smtputf8 = false;
    bool starttls = false, requiretls = false, deliver_by = false, priority = false;
    std::string auth = "";         ///< mechanisms: "PLAIN LOGIN"
    std::uint64_t size_limit = 0;  ///< of a message; 0: none is known
    std::size_t most_recipients = std::numeric_limits<std::size_t>::max();  ///< in one transaction
    std::uint64_t messages = std::numeric_limits<std::uint64_t>::max();     ///< that it still takes
};

/// What a server is told of a message.
struct OutgoingEnvelope : WireEnvelope {
    /// Fields in front of the message's own, whole lines with LF.
    std::string trace{};
    std::optional<ReplacedHeader> header{};
};

/// What one transaction came to.
struct TransactionResult {
    std::vector<DeliveryResult> recipients;  ///< parallel to those given
    bool connection_usable = true;           ///< another transaction may follow
    /// Deferred recipients are so for a reason of this connection or server, and the server cannot have taken
    /// the message for them: another host may be asked at once.
    bool other_host_may_help = false;
    /// The server has taken the message for some, and had no room in the transaction for those with 452
    /// (RFC 5321 section 4.5.3.1.10): it may take it for them in the next one.
    bool was_full = false;
};

class SmtpClient {
  public:
    /// Connects, greets and begins TLS, or begins with TLS: EHLO, or HELO where that is not understood.
    /// `transcript`: called with each line, "192.0.2.1 >> " or "192.0.2.1 << " in front; may be empty. Any
    /// trouble ends up in refusal(), nothing of it is thrown.
    SmtpClient(const MailServer& server, const std::string& own_name, const ClientTimeouts& timeouts,
               std::function<void(const std::string&)> transcript = {});
    ~SmtpClient();  ///< closes; quit() first for politeness

    /// From now on another one hears the dialogue.
    void set_transcript(std::function<void(const std::string&)> transcript) {
        transcript_ = std::move(transcript);
    }

    /// Why there is no session, as a result for every recipient: the server's refusal in greeting or HELO, or
    /// deferred with 4.4.1 (not reached) or 4.4.2 (lost). Empty if send() may be called.
    const std::optional<DeliveryResult>& refusal() const { return refusal_; }
    /// "mx.example.org [192.0.2.1]"
    const std::string& peer() const { return peer_; }
    /// The two ends of the connection; nullopt if there was none over TCP.
    const std::optional<Endpoint>& endpoint() const { return endpoint_; }
    const std::optional<Endpoint>& own_endpoint() const { return own_endpoint_; }
    /// Addresses of the server beside that of the connection that may be reachable, too; after a refusal they
    /// may be tried.
    const std::vector<Endpoint>& places_left() const { return places_left_; }
    /// What the server has offered under TLS, or in the clear if there is none.
    const ServerExtensions& extensions() const { return extensions_; }
    /// Null in the clear.
    const TlsStream* tls() const { return connection_ ? connection_->tls() : nullptr; }
    /// The session is under TLS, and the server has passed the check that was asked for (not Check::none).
    bool is_verified() const;
    /// What was wrong with TLS, also if the session goes on in the clear or with an unexpected server.
    const std::optional<TlsFailure>& tls_failure() const { return tls_failure_; }
    /// Logs in (RFC 4954). If the server does not take the login there is a refusal(), deferred: the login is
    /// this host's matter. The transcript shows no secret. Does not throw.
    void log_in(SaslExchange& exchange);
    /// There is a refusal(), deferred: this host cannot log in here.
    void refuse_login(const std::string& why) { refuse(deferred("4.7.8", why, peer_)); }
    /// MAIL, RCPT…, DATA for one message, pipelined if offered. `message`: descriptor at any position, LF
    /// line ends; sent with CRLF and dot-stuffing, lone CR dropped, so that it can never end early at any
    /// server. Does not throw: a broken connection is `deferred` for recipients without an answer.
    /// A recipient for whom the server would need SMTPUTF8, and lacks it, has failed (RFC 6531 section 3.2).
    /// To a server without 8BITMIME a message with octets above 127 is sent in seven bits, or has failed with
    /// 5.6.3 (RFC 6152 section 3). One that must be returned at a certain time has failed at a server without
    /// DELIVERBY (RFC 2852 section 4).
    TransactionResult send(const OutgoingEnvelope& envelope, int message, std::uint64_t size);
    /// Recipients that the server takes in one transaction, as it says or as it has shown; at least 1.
    std::size_t most_recipients() const { return extensions_.most_recipients; }
    /// True if the server has neither closed nor said anything unasked since the last transaction, and takes
    /// another one. Asks the kernel only: no round trip.
    bool is_alive();
    /// Says QUIT, waits for the answer, and closes.
    void quit();
    /// Says QUIT and closes: nothing depends on the answer (RFC 5321 section 4.1.1.10 says SHOULD), and the
    /// server decides when it comes.
    void leave();

  private:
    struct Transaction;

    void open(const MailServer& server, const std::string& own_name);
    void connect(const MailServer& server);
    Fd open_socket(const MailServer& server);
    bool say_hello(const std::string& own_name, bool extended);
    void learn_extensions(std::string_view text);
    void learn_limits(std::string_view text);
    void refuse(DeliveryResult why);

    void start_tls();
    void start_implicit_tls();
    bool secure(const std::string& own_name);
    bool go_on_in_the_clear(TlsFailure why);
    bool connect_in_the_clear(const std::string& why);
    void refuse_without_tls();
    std::string tls_text() const;
    Reply carry_out(SaslExchange& exchange);

    void transact(Transaction& transaction);
    void convert_if_needed(Transaction& transaction) const;
    void refuse_locally(Transaction& transaction) const;
    void refuse_time(Transaction& transaction) const;
    bool ask_envelope(Transaction& transaction);
    bool is_go_ahead(Transaction& transaction, const Reply& reply);
    DeliveryResult judge_recipient(const Reply& reply, bool others_are_accepted) const;
    std::string mail_command(const Transaction& transaction) const;
    std::string rcpt_command(const Transaction& transaction, std::size_t index) const;
    std::optional<Reply> send_body(const Transaction& transaction);
    std::optional<Reply> last_words();
    void read_verdicts(Transaction& transaction);

    void command(std::string_view line);
    void refuse_answers_to_nothing();
    Reply answer_to(std::string_view line);
    Reply read_reply(Seconds patience);
    DeliveryResult judge(const Reply& reply) const;
    DeliveryResult lost(const std::string& why) const;
    Deadline within(Seconds patience) const;
    void say_goodbye(const std::function<void()>& and_then);
    void hang_up();

    std::optional<Connection> connection_;
    ClientTimeouts timeouts_;
    std::function<void(const std::string&)> transcript_;
    std::string peer_;
    std::string place_;                 // of the peer, for the transcript
    std::optional<Endpoint> endpoint_;  // once a connection was made
    std::optional<Endpoint> own_endpoint_;
    std::vector<Endpoint> places_left_;
    std::string_view step_ = "connecting";  // the current step, for error texts
    Deadline ceiling_;                      // for the message at hand
    std::optional<DeliveryResult> refusal_;
    const bool speaks_lmtp_;
    ClientTls tls_;
    std::optional<TlsFailure> tls_failure_;
    ServerExtensions extensions_;
    bool needs_reset_ = false;  // the last transaction was not ended by a message
};

}  // namespace postoffice
