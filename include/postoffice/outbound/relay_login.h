// The login at a relay host: whose, and with which mechanism. The password comes from a process of root,
// which reads relay-password-file= for the queue agents of relay hosts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/packet.h"
#include "postoffice/config/value_types.h"
#include "postoffice/mail/address.h"
#include "postoffice/smtp/client/sasl_exchange.h"

namespace postoffice {

struct RelayLogin {
    std::string user;
    std::string secret;
    bool is_token = false;  ///< an OAuth 2.0 bearer token (RFC 6750); else a password
    /// Tells this login from others in this process; tokens of one user are alike.
    std::uint64_t fingerprint() const;
};

/// The data of a kind of channel binding, as TlsStream::channel_binding().
using ChannelBinding = std::function<std::optional<std::string>(std::string_view kind)>;

/// The mechanism for this login, the strongest of those that the server offers in its answer to EHLO
/// ("PLAIN LOGIN SCRAM-SHA-256"): of passwords SCRAM-SHA-256-PLUS and SCRAM-SHA-256 (RFC 7677), PLAIN (RFC
/// 4616), LOGIN; of tokens OAUTHBEARER (RFC 7628), XOAUTH2. Null if there is none. `host` and `port`: of the
/// server; `channel`: empty where nothing binds a proof to it.
std::unique_ptr<SaslExchange> choose_mechanism(std::string_view offered, const RelayLogin& login,
                                               std::string_view host, std::uint16_t port,
                                               const ChannelBinding& channel = {});

/// A queue agent to the login keeper, with a packet socket for the answer.
struct RelayLoginRequest {
    std::uint16_t port = 0;
    std::uint8_t needs_token = 1;  ///< 0: the user is enough where the secret is a token
    FixedString<256> host;         ///< as RelayHost has it
    FixedString<512> sender;       ///< if its relay host is its own; else empty
};

struct RelayLoginAnswer {
    enum class Outcome : std::uint8_t {
        found,
        none,       ///< the file has no entry: no login
        temporary,  ///< for the reason in `problem`
    };
    Outcome outcome = Outcome::temporary;
    std::uint8_t is_token = 0;
    FixedString<512> user;
    FixedString<8192> secret;
    FixedString<1024> problem;
};

/// What a queue agent gets for a relay host.
struct RelayLoginResult {
    RelayLoginAnswer::Outcome outcome = RelayLoginAnswer::Outcome::none;
    RelayLogin login = {};
    std::string problem = "";
};

/// How the runner's queue agents ask the login keeper.
class RelayLoginHandle {
  public:
    /// There is none: no relay host gets a login.
    RelayLoginHandle() = default;
    /// The descriptor stays the caller's.
    explicit RelayLoginHandle(const Fd& handle) : handle_(handle.get()) {}
    int fd() const { return handle_; }
    bool is_there() const { return handle_ >= 0; }
    struct Question {
        const RelayHost& relay;
        std::uint16_t port = 0;
        const std::string& sender;  ///< as RelayLoginRequest has it
        bool needs_token = true;
    };
    /// Waits for the keeper, for a minute at most. Does not throw.
    RelayLoginResult ask(const Question& question) const;

  private:
    int handle_ = -1;
};

}  // namespace postoffice
