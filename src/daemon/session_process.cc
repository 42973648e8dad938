#include "postoffice/daemon/session_process.h"

#include "postoffice/base/error.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/process.h"
#include "postoffice/daemon/session_handover.h"
#include "postoffice/delivery/acceptance.h"
#include "postoffice/delivery/agent_channel.h"
#include "postoffice/delivery/arrivals.h"
#include "postoffice/delivery/spool_flusher.h"
#include "postoffice/mail/aliases.h"
#include "postoffice/mail/users.h"
#include "postoffice/net/mx.h"
#include "postoffice/smtp/session.h"

namespace postoffice {
namespace {

constexpr int most_clients = 1000;  // bounds what a slow leak can become
constexpr Milliseconds local_patience = std::chrono::seconds(45);

}  // namespace

int run_session_process(const Config& config, Fd channel, const SessionProcessSockets& sockets) {
    const Spool spool(config.queue_dir);
    const Resolver resolver(ResolverSettings::from(config.nameservers));
    AliasTable aliases(config.aliases);
    UserDirectory users(config.only_user);
    AgentChannels local(sockets.spawner, local_patience, config.command_timeout);
    AgentFiles files(config, local);
    Router router(config, aliases, users, files, interface_addresses());
    Bouncer bouncer(config, spool, router);
    Acceptance acceptance(spool, local, bouncer,
                          [&](const std::string& id) { announce_arrival(sockets.announce, id); });
    SpoolFlusher flusher(spool, sockets.announce);
    SessionServices services{config,        router,      acceptance,           resolver,
                             sockets.rates, sockets.tls, sockets.authenticator};
    services.flusher = &flusher;

    for (int served = 0; served < most_clients; ++served) {
        auto handover = receive_struct<ClientHandover>(channel.get());
        if (!handover || handover->descriptors.size() != 1) return 0;
        SessionState& state = handover->value.state;
        set_process_title("SMTP " + state.client_address.str());
        SessionOver over;
        {
            Connection connection(std::move(handover->descriptors.front()));
            Session session(services, connection, state, Milliseconds(handover->value.park_after));
            const SessionEnd end = session.serve();
            if (end == SessionEnd::unclean) return 0;
            if (end == SessionEnd::parked) {
                over.how = SessionOver::How::parked;
                over.state = state;
                const Fd socket = connection.release_socket();
                const int descriptors[] = {socket.get()};
                send_struct(channel.get(), over, descriptors);
                set_process_title("SMTP idle");
                continue;
            }
        }
        send_struct(channel.get(), over);
    }
    return 0;
}

}  // namespace postoffice
