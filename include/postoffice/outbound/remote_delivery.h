// Remote delivery to one destination (a domain, or the relay host): walks its mail hosts, keeps the
// connection for the next message, and turns every kind of trouble into results. RFC 5321 section 5.1.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "postoffice/config/config.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/net/mx.h"
#include "postoffice/net/resolver.h"
#include "postoffice/outbound/tls_policy.h"
#include "postoffice/smtp/client/client.h"

namespace postoffice {

class RemoteDelivery {
  public:
    /// `destination`: lower-case domain or address literal, or "" for the relay host. Keeps the references.
    RemoteDelivery(const Config& config, const Resolver& resolver, std::string destination,
                   const ClientTimeouts& timeouts = {});
    ~RemoteDelivery();

    /// Where policies for TLS come from, beside the options. Keeps the reference.
    void add_policy_source(TlsPolicySource& source) { tls_.add(source); }

    struct Outcome {
        std::vector<DeliveryResult> results;  ///< parallel to the recipients
        bool destination_is_down = false;     ///< no host could be reached: do not try more messages now
    };
    /// `message`: open for reading. Does not throw.
    Outcome deliver(const OutgoingEnvelope& envelope, int message, std::uint64_t size);
    /// The hosts that take mail for the destination, in the order to try them; or, without any, the trouble.
    struct Route {
        std::vector<MailHost> hosts;
        std::uint16_t port = 0;
        DeliveryResult trouble;
    };
    /// Asks DNS, for Config::remote.lookup_timeout at most. Throws std::system_error.
    Route find_route() const;
    /// From now on `transcript` is called with each line of the dialogues, as in SmtpClient; it may be empty.
    void set_transcript(std::function<void(const std::string&)> transcript);
    /// Says QUIT to a connection that is kept.
    void close();

    /// In one transaction (RFC 5321 section 4.5.3.1.8); more are split.
    static constexpr std::size_t most_recipients = 100;
    /// Addresses tried for one message, over all its mail hosts, as Postfix does (smtp_mx_address_limit): the
    /// owner of the domain says how many there are, and each may take minutes.
    static constexpr std::size_t most_addresses = enough_addresses;
    /// Questions to DNS for one message: the MX records, and two kinds of address of the hosts that are
    /// looked up at most (20), unless they are behind CNAMEs.
    static constexpr unsigned most_questions = 41;

  private:
    struct Attempt;

    void deliver_part(Attempt& attempt);
    void walk(Attempt& attempt);
    void connect(const MailServer& server);
    std::string next_hop() const;
    void hand_over(Attempt& attempt);
    Route route_to_relay(const Resolver& resolver) const;
    std::vector<IpAddress> own_addresses(std::uint16_t port) const;

    const Config& config_;
    const Resolver& resolver_;
    std::string destination_;
    std::function<void(const std::string&)> transcript_;
    ClientTimeouts timeouts_;
    TlsPolicies tls_;
    TlsPolicy policy_;  // of the attempt at hand
    std::unique_ptr<SmtpClient> client_;
    TlsPolicy policy_of_client_;
};

}  // namespace postoffice
