// TLS for a Connection, with OpenSSL: what a server needs to offer it, and one stream, of a server or a
// client. TLS 1.2 and later, forward secrecy only, no compression, no renegotiation. RFC 8446, RFC 5246; for
// mail RFC 3207, RFC 8314.
//
// A build without TLS has the same interface; tls_is_built_in() is then false and a TlsServer cannot be made.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/net/tls_client.h"

struct ssl_ctx_st;
struct ssl_st;

namespace postoffice {

class TicketKeys;

bool tls_is_built_in();

/// Certificate, key, and the keys of session tickets: made once by the process that may read the files, and
/// inherited by the processes that serve clients, so that a session begun with one of them is resumed by
/// another. The keys of tickets change while they are in use; the other processes see the new ones at once.
class TlsServer {
  public:
    /// PEM files: the certificate with its chain, and its private key (the same file will do).
    /// Throws FormatError "FILE: what is wrong".
    TlsServer(const std::string& certificate_file, const std::string& key_file);
    /// The same, but signatures are asked for by set_key_channel() of net/private_key.h. nullopt if that
    /// cannot be done with this kind of key. Throws FormatError.
    static std::optional<TlsServer> without_key(const std::string& certificate_file);

    TlsServer(TlsServer&&) noexcept;
    TlsServer& operator=(TlsServer&&) noexcept;
    ~TlsServer();

    ssl_ctx_st* context() const { return context_.get(); }

    /// New keys for session tickets. The last ones stay good until the next call. By the process that made
    /// this.
    void rotate_ticket_keys();
    /// The same once in an hour: call it often.
    void rotate_ticket_keys_when_due();
    /// From now on this process and its children cannot change the keys of tickets.
    void become_reader();

  private:
    explicit TlsServer(const std::string& certificate_file);

    struct Free {
        void operator()(ssl_ctx_st* context) const;
    };
    std::unique_ptr<TicketKeys> ticket_keys_;
    std::unique_ptr<ssl_ctx_st, Free> context_;
};

/// One TLS connection over a non-blocking socket that the caller owns. All functions throw Timeout,
/// PeerGone (also for what is not TLS, with the reason) and std::system_error.
class TlsStream {
  public:
    /// The server's side of the handshake, until `deadline`. `wait_for_input`, if given, is called each time
    /// the client is to say more: it returns when there is input, or throws Timeout.
    TlsStream(const TlsServer& server, int socket, const Deadline& deadline,
              const std::function<void()>& wait_for_input = {});
    /// The client's side. A certificate that is not the expected one does not end the handshake: see
    /// failure(). Resumes a session of `client`, to which the new one is given at the end; keeps the
    /// reference. Throws FormatError, too, as TlsClient::context_for().
    TlsStream(TlsClient& client, const TlsPeer& peer, int socket, const Deadline& deadline);
    TlsStream(const TlsStream&) = delete;
    TlsStream& operator=(const TlsStream&) = delete;
    ~TlsStream();

    /// For a client: why the server is not the one that was expected; nullopt if it is.
    const std::optional<TlsFailure>& failure() const { return failure_; }
    /// For a client: its check was another one than Check::none, and the server has passed it.
    bool is_verified() const { return peer_.check != TlsPeer::Check::none && !failure_; }
    /// No certificate was exchanged, as the peers know each other from an earlier connection.
    bool is_resumed() const;

    /// At least one octet, or 0 at the end, whether the peer said goodbye or just left.
    std::size_t read(char* into, std::size_t most, const Deadline& deadline);
    void write(std::string_view bytes, const Deadline& deadline);
    /// True if a read would find octets that were received and deciphered already.
    bool has_pending() const;
    /// Says goodbye (close_notify) without waiting for an answer.
    void close() noexcept;

    /// What both ends of this connection know of it, and no host between them, by the name of its kind:
    /// "tls-exporter" (RFC 9266), "tls-server-end-point" (RFC 5929 section 4). nullopt for other names, for a
    /// certificate that the latter is not defined for, and before TLS 1.3, where the former is not
    /// unique.
    std::optional<std::string> channel_binding(std::string_view name) const;
    bool has_channel_binding() const;

    /// "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256.
    std::string version() const;
    std::string cipher() const;
    int cipher_bits() const;
    /// "TLSv1.3 TLS_AES_256_GCM_SHA384", for people.
    std::string description() const;

  private:
    struct Free {
        void operator()(ssl_st* stream) const;
    };
    bool wait_for(int outcome, const Deadline& deadline, const char* doing);
    void expect_peer();
    void shake_hands(int (*step)(ssl_st*), const Deadline& deadline,
                     const std::function<void()>& wait_for_input);

    std::unique_ptr<ssl_st, Free> stream_;
    int socket_;
    TlsClient* client_ = nullptr;  // null for a server
    TlsPeer peer_;
    std::optional<TlsFailure> failure_;
};

}  // namespace postoffice
