// The filters of one session, in the order of the configuration. Each step goes to all of them; the text of a
// message goes to the first, whose changes the second one sees, and so on. They are connected to when the
// first message begins: a client that sends none costs them nothing, and by then it is known whether it has
// logged in.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/ip_address.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/envelope_changes.h"
#include "postoffice/milter/filter_verdict.h"
#include "postoffice/milter/kept_connections.h"
#include "postoffice/milter/macros.h"
#include "postoffice/net/resolver.h"
#include "postoffice/policy/unwanted_mail.h"
#include "postoffice/queue/message.h"

namespace postoffice {

namespace milter {
class Filter;
class MessageContent;
enum class Stage;
}  // namespace milter

/// The client as filters hear of it.
struct FilterClient {
    std::string name = {};  ///< verified; "unknown" if there is none
    std::optional<IpAddress> address = {};
    std::uint16_t port = 0;
    std::string helo = {};  ///< "" if it said none
    std::string tls = {};   ///< as TlsStream::description() has it; another one makes helo new
};

/// What became of a message.
struct FilteredMessage {
    FilterVerdict verdict{};
    std::unique_ptr<Message> message{};  ///< the text as filters want it; null: it is unchanged
    bool has_eight_bit = false;          ///< what they added goes beyond ASCII
    EnvelopeChanges envelope{};
    Unwanted unwanted{};  ///< a filter with refusal=spam refused it at some stage, and `spam=` accepts it
    std::vector<std::string>
        verdicts{};  ///< of each filter, with the time that it took, as a journal has them
};

class FilterChain {
  public:
    /// Keeps the references. `failed`: what failed() was when this session was served before. `kept`: where
    /// connections are from and for other sessions; null: they end with this one.
    FilterChain(const Config& config, const Resolver& resolver, std::uint32_t failed = 0,
                KeptConnections* kept = nullptr);
    ~FilterChain();
    FilterChain(const FilterChain&) = delete;
    FilterChain& operator=(const FilterChain&) = delete;

    /// What is known of session and message; those of stages here are set by the functions below.
    FilterMacros& macros() { return macros_; }

    /// A message begins. Connects, if that was not done, and says what is new of the client. `skips`: the
    /// message does not pass a filter.
    using Skips = std::function<bool(const FilterSettings&)>;
    FilterVerdict mail(const FilterClient& client, const Address& sender, std::string_view parameters,
                       const Skips& skips);
    /// A verdict against a recipient concerns it alone; to discard concerns the message.
    FilterVerdict recipient(const Address& address, std::string_view parameters, bool is_local);
    void refused_recipient(const Address& address, std::string_view parameters, const Reply& reply);
    FilterVerdict data();
    /// A command that this host does not know.
    FilterVerdict unknown(std::string_view line);
    /// The whole message. Throws std::system_error if what filters want cannot be stored.
    FilteredMessage examine(Message& message);
    /// The message at hand is over, whatever became of it.
    void end_message();

    /// A bit for each filter that has failed, from the first one on.
    std::uint32_t failed() const;
    /// "SOCKET: state" of each, for people.
    std::vector<std::string> states() const;

  private:
    struct Members;
    using Ask = std::function<FilterVerdict(milter::Filter&)>;
    FilterVerdict ask_each(milter::Stage stage, const Ask& ask);
    bool accepts_unwanted(milter::Filter& filter, FilterVerdict& verdict);
    void note_unwanted(const milter::Filter& filter, milter::Stage stage, const FilterVerdict& verdict);
    void note_verdict(milter::Filter& filter, const FilterVerdict& verdict, const std::string& changes,
                      Milliseconds time);
    FilterVerdict examine(milter::Filter& filter, milter::MessageContent& content, FilteredMessage& result);

    const Config& config_;
    const Resolver& resolver_;
    FilterMacros macros_;
    std::unique_ptr<Members> members_;
    Unwanted unwanted_;                  ///< the message at hand
    std::vector<std::string> verdicts_;  ///< about it
};

}  // namespace postoffice
