// Delivery to one next hop: tries its hosts in order, keeps the connection for the next message, and turns
// every kind of trouble into results. RFC 5321 section 5.1.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "postoffice/config/config.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/net/resolver.h"
#include "postoffice/outbound/relay_login.h"
#include "postoffice/outbound/target_hosts.h"
#include "postoffice/outbound/tls_policy.h"
#include "postoffice/outbound/tls_results.h"
#include "postoffice/routing/next_hop.h"
#include "postoffice/smtp/client/client.h"

namespace postoffice {

class RemoteDelivery {
  public:
    /// Keeps the references.
    RemoteDelivery(const Config& config, const Resolver& resolver, NextHop next_hop,
                   const ClientTimeouts& timeouts = {});
    ~RemoteDelivery();

    /// Where policies for TLS come from, beside the options. Keeps the reference.
    void add_policy_source(TlsPolicySource& source) { tls_.add(source); }

    /// Mail goes to this one from now on; the connection to the one before is closed.
    void turn_to(NextHop next_hop);

    struct Outcome {
        std::vector<DeliveryResult> results;  ///< parallel to the recipients
        bool destination_is_down = false;     ///< no host could be reached: do not try more messages now
    };
    /// `message`: open for reading. Does not throw.
    Outcome deliver(const OutgoingEnvelope& envelope, int message, std::uint64_t size);
    /// Of whom the logins at relay hosts are asked; unset, there are none.
    void set_logins(RelayLoginHandle logins) { logins_ = logins; }
    /// Where outcomes of TLS are noted for reports to the domain; unset, nowhere. Keeps the reference.
    void set_tls_results(TlsResults& results) { tls_results_ = &results; }
    /// From now on `transcript` is called with each line of the dialogues, as in SmtpClient; it may be empty.
    void set_transcript(std::function<void(const std::string&)> transcript);
    /// Says QUIT to a connection that is kept, and does not wait for the answer.
    void close();

    /// In one transaction (RFC 5321 section 4.5.3.1.8); more are split.
    static constexpr std::size_t most_recipients = 100;
    /// Addresses tried for one message, over all its mail hosts, as Postfix does (smtp_mx_address_limit): the
    /// owner of the domain says how many there are, and each may take minutes.
    static constexpr std::size_t most_addresses = enough_addresses;

  private:
    struct Attempt;
    /// A policy, and what it was looked up by; "" without one.
    struct PolicyInUse {
        std::string next_hop;
        TlsPolicy policy;
        TlsWish wish = TlsWish::none;  ///< of the message that it was looked up for
    };
    /// A login, or that there is none, and when it was last known to be that of the file.
    struct LoginInUse {
        std::optional<RelayHost> relay;
        std::uint16_t port = 0;
        std::uint64_t fingerprint = 0;
        Stopwatch since{};
    };

    void deliver_part(Attempt& attempt);
    void walk(Attempt& attempt);
    void connect(const MailServer& server);
    void note_tls(const TargetHost& target, const DaneRecords& dane, std::string_view failure);
    void note_tls_of_client(const TargetHost& target, const DaneRecords& dane);
    RelayLoginResult login_for(const std::optional<RelayHost>& relay, std::uint16_t port,
                               bool needs_token = true) const;
    bool has_login_changed();
    void log_in(const TargetHost& target, const RelayLogin& login);
    bool has_policy_changed(TlsWish wish);
    void choose_policy(const TargetHost& target, TlsWish wish);
    DaneRecords dane_records(const Resolver& resolver, const TargetHost& target) const;
    Result<ClientTls> tls_for(const TargetHost& target, const DaneRecords& dane);
    DeliveryResult unusable(const std::string& why) const;
    std::optional<DeliveryResult> why_unusable() const;
    void hand_over(Attempt& attempt);

    const Config& config_;
    const Resolver& resolver_;
    NextHop next_hop_;
    Transport transport_;
    TlsResults* tls_results_ = nullptr;  // not owned
    RelayLoginHandle logins_;
    std::function<void(const std::string&)> transcript_;
    ClientTimeouts timeouts_;
    TlsPolicies tls_;
    PolicyInUse policy_;  // of the host at hand
    std::unique_ptr<SmtpClient> client_;
    PolicyInUse policy_of_client_;
    LoginInUse login_of_client_;
};

}  // namespace postoffice
