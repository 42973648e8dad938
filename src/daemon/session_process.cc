#include "postoffice/daemon/session_process.h"

#include <optional>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/process.h"
#include "postoffice/daemon/coal_runner.h"
#include "postoffice/daemon/session_handover.h"
#include "postoffice/delivery/inbound_services.h"
#include "postoffice/delivery/spool_flusher.h"
#include "postoffice/local/agent_socket.h"
#include "postoffice/net/proxy_header.h"
#include "postoffice/policy/hosts_access.h"
#include "postoffice/pop3/session.h"
#include "postoffice/smtp/session.h"

namespace postoffice {
namespace {

constexpr int most_clients = 1000;  // served to their end: bounds what a slow leak can become
constexpr Milliseconds patience_with_front_ends = std::chrono::seconds(10);
constexpr Seconds local_patience{45};  // clients wait ten minutes (RFC 5321 section 4.5.3.2.6), some less
constexpr Milliseconds connections_idle = std::chrono::seconds(2);

// False if the front end does not say who its client is.
bool learn_client(const Fd& socket, SessionState& state) {
    try {
        if (const auto client = read_proxy_header(socket.get(), Deadline::after(patience_with_front_ends)))
            state.client_address.assign_cut(client->to_string());
        state.phase = SessionState::Phase::arrived;
        return true;
    } catch (const std::exception& error) {
        log_event("", "proxy-header-refused",
                  {{"client", Client{IpAddress::parse(state.client_address.str())}.text()},
                   {"reason", in_plain_words(error)}});
        return false;
    }
}

// The next command of a parked client decides which process serves it.
void hand_back(const Fd& channel, const Fd& client, const SessionState& state,
               SessionEnded::How how = SessionEnded::How::parked) {
    const int descriptors[] = {client.get()};
    send_struct(channel.get(), SessionEnded{how, state}, descriptors);
    set_process_title("session idle");
}

/// What sessions of SMTP share, which those of POP3 do without.
class SmtpServices {
  public:
    SmtpServices(const Config& config, const SessionResources& resources, Resolver& resolver,
                 Misconduct& misconduct)
        : spool_(config.queue.dir),
          inbound_(config, spool_,
                   {.spawner = resources.spawner,
                    .notifications = resources.notifications,
                    .patience = local_patience,
                    .avoidance = std::chrono::seconds(30),
                    .server_patience = local_patience,
                    .on_total_failure = DeliverOrQueue::OnTotalFailure::refused}),
          flusher_(spool_, resources.notifications),
          policies_(config.access.policy_services, resolver),
          services_{.config = config,
                    .router = inbound_.router(),
                    .acceptor = inbound_.acceptor(),
                    .resolver = resolver,
                    .rates = resources.rates,
                    .spool_shares = resources.spool_shares,
                    .tls = resources.tls,
                    .authenticator = {resources.authenticator, resources.pass},
                    .load_level = resources.load_level,
                    .misconduct = &misconduct,
                    .auditing = resources.auditing,
                    .flusher = &flusher_,
                    .has_filters = !config.filters.list.empty(),
                    .kept_filters = &filters_,
                    .policies = &policies_,
                    .scanner = resources.scanner} {}

    const SessionServices& of_session() const { return services_; }
    bool is_connected() const {
        return inbound_.is_connected() || policies_.is_connected() || filters_.is_connected();
    }
    void close_idle() {
        inbound_.close_idle();
        policies_.close_idle();
        filters_.close_idle();
    }

  private:
    const Spool spool_;
    InboundServices inbound_;
    SpoolFlusher flusher_;
    PolicyClients policies_;
    KeptConnections filters_;
    const SessionServices services_;
};

/// Serves clients of the listener, one after the other, with what they share.
class SessionProcess {
  public:
    SessionProcess(const Config& config, Fd channel, const SessionResources& resources)
        : config_(config),
          resources_(resources),
          channel_(std::move(channel)),
          name_servers_(config.network.nameservers),
          resolver_(name_servers_.news().value()),
          misconduct_(config, resources.rates,
                      [coal = resources.coal](const IpAddress& address) { coal.name(address); }),
          pop3_services_{.config = config,
                         .resolver = resolver_,
                         .spawner = resources.spawner,
                         .authenticator = {resources.authenticator, resources.pass},
                         .rates = resources.rates,
                         .tls = resources.tls,
                         .load_level = resources.load_level,
                         .misconduct = &misconduct_,
                         .auditing = resources.auditing} {}

    /// `asks_rules`: hosts.allow and hosts.deny have rules, and this process may ask them. Returns the exit
    /// status.
    int run(bool asks_rules) {
        for (int served = 0;;) {
            auto handover = next_client();
            if (!handover || handover->descriptors.size() != 1) return 0;
            SessionState& state = handover->value.state;
            set_process_title(name_of_protocol(state) + state.client_address.str());
            resolver_.refresh(name_servers_);
            // Rules that came, or went, since this process began: what it may do was decided then.
            if (state.phase == SessionState::Phase::arrived && has_access_rules() != asks_rules)
                return hand_back(channel_, handover->descriptors.front(), state, SessionEnded::How::refused),
                       0;
            if (state.phase == SessionState::Phase::announced) {
                if (!learn_client(handover->descriptors.front(), state)) return 0;
                hand_back(channel_, handover->descriptors.front(), state);
                continue;
            }
            {
                Connection connection(std::move(handover->descriptors.front()));
                const SessionEnd end = serve(connection, state, Milliseconds(handover->value.park_after));
                if (end == SessionEnd::unclean) return 0;
                if (end == SessionEnd::parked) {
                    hand_back(channel_, connection.release_socket(), state);
                    continue;
                }
            }
            // A process that says it is ready is given a client, so this one ends without a word. What an
            // agent sent that must not be closed here goes with it.
            if (++served == most_clients || left_open_of_agents() != 0) return 0;
            send_struct(channel_.get(), SessionEnded());
            set_process_title("session idle");
        }
    }

  private:
    /// Connections to a server that keeps the mailboxes, and to policy services, are of use to the next
    /// client, if that comes soon.
    std::optional<ReceivedStruct<ClientHandover>> next_client() {
        if (smtp_ && smtp_->is_connected()) try {
                return receive_struct<ClientHandover>(channel_.get(), Deadline::after(connections_idle));
            } catch (const Timeout&) {
                smtp_->close_idle();
            }
        return receive_struct<ClientHandover>(channel_.get());
    }
    SessionEnd serve(Connection& connection, SessionState& state, Milliseconds park_after) {
        if (state.pop3 != 0) return Pop3Session(pop3_services_, connection, state, park_after).serve();
        if (!smtp_) smtp_.emplace(config_, resources_, resolver_, misconduct_);
        return Session(smtp_->of_session(), connection, state, park_after).serve();
    }
    static std::string name_of_protocol(const SessionState& state) {
        return state.pop3 != 0 ? "POP3 " : "SMTP ";
    }

    const Config& config_;
    const SessionResources& resources_;
    const Fd channel_;
    ResolverSource name_servers_;
    Resolver resolver_;
    Misconduct misconduct_;
    const Pop3Services pop3_services_;
    std::optional<SmtpServices> smtp_;  ///< once a client of SMTP has come
};

}  // namespace

int run_session_process(const Config& config, Fd channel, const SessionResources& resources,
                        const CallFilter& calls) {
    const bool asks_rules = has_access_rules();
    if (!asks_rules) calls.enforce();
    return SessionProcess(config, std::move(channel), resources).run(asks_rules);
}

}  // namespace postoffice
