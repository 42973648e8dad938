// sendmail -bs: SMTP on standard input and output. A program of this host is a local caller; a socket (inetd,
// systemd with Accept=yes) is a client with an address, and gets every check.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <exception>

#include "drop_acceptor.h"
#include "local_router.h"
#include "postoffice/base/log.h"
#include "postoffice/commands/commands.h"
#include "postoffice/net/connection.h"
#include "postoffice/smtp/session.h"

namespace postoffice {
namespace {

Connection standard_connection(bool is_client) {
    if (is_client) return Connection(Fd(::dup(STDIN_FILENO)));
    return Connection(Fd(::dup(STDIN_FILENO)), Fd(::dup(STDOUT_FILENO)));
}

int serve(const Config& config, const CommandLine& line) {
    SessionState state;
    const auto peer = Endpoint::peer_of(STDIN_FILENO);
    if (peer) state.client_address.assign_cut(peer->address.to_string());
    if (!peer && !line.client_address.empty()) state.client_address.assign_cut(line.client_address);

    // What an ordinary user may write in the spool is drop/, and so large messages grow there, too.
    Config session_config = config;
    session_config.queue_dir = config.queue_dir + "/drop";
    LocalRouter local(config);
    DropAcceptor acceptor(config, !line.queue_only, !peer && line.client_address.empty());
    const Resolver resolver(ResolverSettings::from(config.nameservers));
    Connection connection = standard_connection(peer.has_value());
    Session session({session_config, local.router(), acceptor, resolver}, connection, state, Milliseconds(0));
    session.serve();
    return session.was_cut_off() ? 65 : 0;
}

}  // namespace

int serve_stdio(const Config& config, const CommandLine& line) {
    try {
        return serve(config, line);
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", line.program, error.what());
        log_event("", "error", {{"program", line.program}, {"why", error.what()}});
        return 71;
    }
}

}  // namespace postoffice
