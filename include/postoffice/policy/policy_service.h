// Policy services: daemons that decide about clients, senders and recipients by the protocol of Postfix's
// policy delegation (SMTPD_POLICY_README of Postfix), so that those written for Postfix work unchanged. A
// request is lines "name=value" and an empty line; so is the answer, of which the line "action=..." counts.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/result.h"
#include "postoffice/config/value_types.h"
#include "postoffice/mail/reply.h"
#include "postoffice/net/connection.h"
#include "postoffice/net/resolver.h"

namespace postoffice {

/// What a policy service wants to be done, as access(5) of Postfix has it.
struct PolicyAction {
    enum class Kind {
        none,             ///< DUNNO: the next service is asked
        accept,           ///< OK: no other service is asked
        refuse,           ///< REJECT, DEFER, and replies with a code: `reply`
        defer_if_permit,  ///< deferred with `reply`, unless another service refuses
        defer_if_reject,  ///< deferred with `reply` if another service refuses
        prepend,          ///< `text` is a header field for the message
        discard,          ///< the message is accepted and thrown away; `text` says why
        hold,             ///< the message is accepted and held in the queue; `text` says why
        warn,             ///< `text` is for the log
        not_available,    ///< known to Postfix, or to no program at all
    } kind = Kind::none;
    Reply reply{};
    std::string text{};  ///< printable
    std::string word{};  ///< as the service wrote it, for the log
};

/// `text`: what follows "action=". Each text has an action: one that is unknown is `not_available`.
PolicyAction parse_policy_action(std::string_view text);

/// An answer: its lines, each with a line feed at its end, without the empty line. A problem if there is no
/// action, or a line is not "name=value".
Result<PolicyAction> parse_policy_answer(std::string_view text);

/// Octets of an answer without its empty line.
inline constexpr std::size_t longest_policy_answer = 16384;

/// "name=value" lines; values lose what would end their line.
using PolicyAttributes = std::vector<std::pair<std::string_view, std::string>>;

/// One service, and the connection to it, which serves many questions.
class PolicyClient {
  public:
    /// Keeps the references.
    PolicyClient(const PolicyService& service, const Resolver& resolver)
        : service_(service), resolver_(resolver) {}

    /// Asks within the time of the service. A connection that the service has closed meanwhile is replaced
    /// once. A service that was silent for that time is not asked again for half a minute: the answer is a
    /// problem at once. Does not throw.
    Result<PolicyAction> ask(const PolicyAttributes& attributes);

    const PolicyService& service() const { return service_; }
    std::string name() const { return service_.place.to_string(); }
    bool is_connected() const { return connection_.has_value(); }
    void close() { connection_.reset(); }
    /// For DEBUG: the last action and its time, or what went wrong.
    const std::string& last_result() const { return last_result_; }

  private:
    Result<PolicyAction> exchange(const std::string& request, const Deadline& deadline);
    std::string read_answer(const Deadline& deadline);

    const PolicyService& service_;
    const Resolver& resolver_;
    std::optional<Connection> connection_;
    std::optional<Deadline> avoided_until_;
    std::string last_result_ = "not asked yet";
};

/// Those of the configuration, with the connections of this process.
class PolicyClients {
  public:
    /// Keeps the references.
    PolicyClients(const std::vector<PolicyService>& services, const Resolver& resolver);

    std::deque<PolicyClient>& all() { return clients_; }
    bool is_connected() const;
    /// For a process that has no client for the moment.
    void close_idle();

  private:
    std::deque<PolicyClient> clients_;
};

}  // namespace postoffice
