// sendmail -bs: SMTP on standard input and output. A program of this host is a local caller; a socket (inetd,
// systemd with Accept=yes) is a client with an address, and gets every check. With -oMa ADDRESS it is a
// rehearsal: what a client from that address would hear, and nothing is stored.
#include <sysexits.h>
#include <unistd.h>

#include <cstdio>
#include <exception>

#include "drop_acceptor.h"
#include "local_router.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/net/connection.h"
#include "postoffice/net/mx.h"
#include "postoffice/smtp/session.h"

namespace postoffice {
namespace {

/// Refuses what would be taken: a 250 would promise that the message is safe (RFC 5321 section 4.2.5).
class RehearsalAcceptor : public Acceptor {
  public:
    Reply accept(const std::string&, const Envelope&, Message&) override {
        return {554, "5.3.0", "Rehearsal: this message would be taken; it was not stored"};
    }
};

Connection standard_connection(bool is_client) {
    if (is_client) return Connection(Fd(::dup(STDIN_FILENO)));
    return Connection(Fd(::dup(STDIN_FILENO)), Fd(::dup(STDOUT_FILENO)));
}

/// What an ordinary user may write in the spool is drop/, and so large messages grow there, too.
Config config_for_sessions(const Config& config) {
    Config result = config;
    result.queue.dir = config.queue.dir + "/drop";
    return result;
}

int serve(const Config& config, const CommandLine& line, const std::optional<Endpoint>& peer) {
    SessionState state;
    if (peer) state.client_address.assign_cut(peer->address.to_string());
    const Config session_config = config_for_sessions(config);
    LocalRouter local(config);
    DropAcceptor acceptor(config, !line.submission.queue_only, !peer);
    const Resolver resolver(ResolverSettings::from(config.network.nameservers));
    Connection connection = standard_connection(peer.has_value());
    Session session({session_config, local.router(), acceptor, resolver}, connection, state, Milliseconds(0));
    session.serve();
    return session.was_cut_off() ? EX_DATAERR : EX_OK;
}

/// Where there is no spool yet, or none that the caller may look at, its space is not known.
void use_what_may_be_seen(Config& config) {
    try {
        (void)disk::free_space(config.queue.dir);
    } catch (const std::system_error& error) {
        print_error("The space in the spool is not known ({}).\n", error.what());
        config.queue.dir = "/tmp";
        config.queue.minfree = 0;
    }
}

/// The checks are those of the server, with the rights of the caller. What the server counts (connections,
/// rates) is not known here. The log goes to the caller, and no pause is made.
int rehearse(const Config& config, const CommandLine& line, const IpAddress& client) {
    open_log("stderr", "rehearsal");
    print_error("A rehearsal: what a client from {} would hear. Nothing is stored.\n", client.to_string());
    SessionState state;
    state.client_address.assign_cut(client.to_string());
    if (!line.client.name.empty()) {
        state.client_name.assign_cut(line.client.name);
        state.name_status = NameStatus::verified;
    }
    Config session_config = config_for_sessions(config);
    session_config.limits.tarpit = Seconds(0);
    session_config.smtp.audit = false;
    use_what_may_be_seen(session_config);
    LocalRouter local(config, interface_addresses());
    RehearsalAcceptor acceptor;
    const Resolver resolver(ResolverSettings::from(config.network.nameservers));
    Connection connection = standard_connection(false);
    const SessionServices services{.config = session_config,
                                   .router = local.router(),
                                   .acceptor = acceptor,
                                   .resolver = resolver,
                                   .is_rehearsal = true};
    Session session(services, connection, state, Milliseconds(0));
    session.serve();
    return EX_OK;
}

/// The address of -oMa, with brackets or without.
std::optional<IpAddress> pretended_address(const std::string& text) {
    const auto literal = IpAddress::parse_literal(text);
    return literal ? literal : IpAddress::parse(text);
}

}  // namespace

int serve_stdio(const Config& config, const CommandLine& line) {
    try {
        const auto peer = Endpoint::peer_of(STDIN_FILENO);
        if (peer || line.client.address.empty()) return serve(config, line, peer);
        const auto client = pretended_address(line.client.address);
        if (client) return rehearse(config, line, *client);
        print_error("{}: -oMa {}: not an IPv4 or IPv6 address\n", line.program,
                    printable(line.client.address));
        return EX_USAGE;
    } catch (const std::exception& error) {
        print_error("{}: {}\n", line.program, in_plain_words(error));
        log_event("", "session-failed", {{"program", line.program}, {"reason", in_plain_words(error)}});
        return EX_OSERR;
    }
}

}  // namespace postoffice
