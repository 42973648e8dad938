// Questions about passwords. A session process cannot look at them: it asks the authenticator, a process of
// root's (daemon/authenticator.h), which answers yes, no, or not now, and nothing else.
//
// With SCRAM (RFC 5802) there is no password to send along. The session reads and writes the messages, and
// the authenticator makes what they turn on: it names nonce, salt and iterations, and checks the proof
// against the verifier, which never leaves it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/packet.h"
#include "postoffice/policy/mailbox_ticket.h"
#include "postoffice/policy/scram.h"
#include "postoffice/policy/session_pass.h"

namespace postoffice {

/// To the authenticator, into its request socket; one descriptor with it: the end of a fresh
/// packet socketpair on which the AuthAnswer comes.
struct AuthRequest {
    static constexpr std::uint32_t own_tag = 0x504f4155;
    enum class Method : std::uint8_t { password, scram };
    std::uint32_t tag = own_tag;
    Method method = Method::password;
    FixedString<256> user;
    FixedString<512> password;     ///< empty for SCRAM
    FixedString<64> client;        ///< address, for the log and for PAM's rules about hosts
    SessionPass pass;              ///< of the session process that asks
    std::uint8_t for_mailbox = 0;  ///< 1: with a yes, a ticket for the mailbox is wanted
};

/// The authenticator, as session processes reach it: by the handle of its request socket.
class AuthenticatorHandle {
  public:
    /// There is none: AUTH is not offered.
    AuthenticatorHandle() = default;
    /// The descriptor stays the caller's.
    explicit AuthenticatorHandle(const Fd& handle) : handle_(handle.get()) {}
    /// Sends a question. Returns this side of the channel on which the answer comes. Throws Timeout,
    /// PeerGone, std::system_error.
    [[nodiscard]] Fd ask(const AuthRequest& request, const Deadline& deadline) const;
    bool is_there() const { return handle_ >= 0; }
    int fd() const { return handle_; }

  private:
    int handle_ = -1;
};

/// What a session process needs to ask it.
struct AuthenticatorAccess {
    AuthenticatorHandle handle{};
    SessionPass pass{};  ///< see policy/session_pass.h
    bool is_there() const { return handle.is_there(); }
};

enum class AuthOutcome : std::uint8_t {
    yes,
    no,
    temporary,  ///< the password could not be checked; says nothing about it
};

struct AuthAnswer {
    static constexpr std::uint32_t own_tag = 0x504f4141;
    std::uint32_t tag = own_tag;
    AuthOutcome outcome = AuthOutcome::temporary;
    FixedString<256> user;    ///< yes: the canonical name, "alice" or "bob@virtual.example"
    ScramDigest signature{};  ///< yes to SCRAM: ServerSignature
    MailboxTicket ticket;     ///< yes, if it was wanted
};

/// For SCRAM, before the answer: what the client is challenged with. It looks the same whether there is such
/// a user or not.
struct ScramChallenge {
    static constexpr std::uint32_t own_tag = 0x504f4143;
    std::uint32_t tag = own_tag;
    std::uint32_t iterations = 0;
    FixedString<32> nonce;  ///< our part of it, fresh each time
    FixedString<96> salt;   ///< in base 64
};

/// And what the session says to it, over the same channel: the messages as the client wrote them, of which
/// the authenticator reads nothing, and the proof. What came between these messages, server-first-message,
/// the authenticator puts there itself, with its nonce, so an old proof proves nothing.
struct ScramResponse {
    static constexpr std::uint32_t own_tag = 0x504f4152;
    std::uint32_t tag = own_tag;
    ScramDigest proof{};
    FixedString<256> client_nonce;
    FixedString<1024> client_first_bare;
    FixedString<1024> client_final_without_proof;
};

struct AuthVerdict {
    AuthOutcome outcome = AuthOutcome::temporary;
    std::string user = "";
    ScramDigest signature{};
    MailboxTicket ticket{};
};

/// What the authenticator is asked about.
struct LoginQuestion {
    std::string user;
    std::string client;        ///< its address
    bool for_mailbox = false;  ///< a ticket is wanted
};

/// Waits for the answer, at most until `deadline`. Does not throw; what does not fit the request is a no.
AuthVerdict ask_authenticator(const AuthenticatorAccess& access, const LoginQuestion& question,
                              std::string_view password, const Deadline& deadline);

/// One exchange by SCRAM. Does not throw either.
class ScramExchange {
  public:
    /// Waits for the challenge.
    ScramExchange(const AuthenticatorAccess& access, const LoginQuestion& question, const Deadline& deadline);
    /// nullopt: passwords cannot be checked now.
    const std::optional<ScramChallenge>& challenge() const { return challenge_; }
    /// Waits for the answer. Once, after a challenge.
    AuthVerdict finish(const ScramResponse& response, const Deadline& deadline);

  private:
    Fd channel_;
    std::optional<ScramChallenge> challenge_;
};

/// "r=…,s=…,i=…", the server-first-message of RFC 5802 section 7.
std::string scram_server_first(std::string_view client_nonce, const ScramChallenge& challenge);

/// Overwrites a secret before its memory is used again.
void wipe(std::string& secret);

}  // namespace postoffice
