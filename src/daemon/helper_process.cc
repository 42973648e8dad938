#include "helper_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>
#include <vector>

#include "listener.h"
#include "postoffice/base/privileges.h"
#include "postoffice/base/process.h"
#include "postoffice/base/system_calls.h"
#include "postoffice/daemon/authenticator.h"
#include "postoffice/daemon/coal_runner.h"
#include "postoffice/daemon/key_keeper.h"
#include "postoffice/daemon/login_keeper.h"
#include "postoffice/daemon/scanner_process.h"
#include "postoffice/daemon/spawner.h"
#include "postoffice/daemon/sts_fetcher.h"
#include "postoffice/delivery/runner.h"

namespace postoffice {
namespace {

int be_spawner(Generation& generation, pid_t master) {
    const int requests = generation.requests.reader.release();
    close_descriptors_except({requests});
    end_with_parent(master);
    return run_spawner(generation.config, Fd(requests), generation.tickets);
}

int be_authenticator(Generation& generation, pid_t master) {
    const int requests = generation.logins.reader.release();
    close_descriptors_except({requests});
    end_with_parent(master);
    // A session has one question at a time, so this is enough for all of them.
    AuthenticatorLimits limits;
    limits.children = generation.config.limits.clients + limits.of_one_session;
    return run_authenticator(generation.config, Fd(requests), {generation.passes, generation.tickets},
                             limits);
}

int be_runner(const Generation& generation, const HelperResources& resources, pid_t master) {
    RunnerSettings runner;
    runner.control = ControlSocket(resources.control);
    runner.notification_reader = QueueNotificationReader(resources.notifications.read_end);
    runner.notifications = QueueNotificationWriter(resources.notifications.write_end);
    runner.spawner = SpawnerHandle(generation.requests.handle);
    if (generation.sts_requests) runner.sts_fetcher = StsFetcherHandle(generation.sts_requests->handle);
    if (generation.relay_logins) runner.logins = RelayLoginHandle(generation.relay_logins->handle);
    if (generation.scans) runner.scanner = ScannerHandle(generation.scans->handle);
    if (resources.queue_interval) runner.rescan = *resources.queue_interval;
    close_descriptors_except({runner.control.fd(), runner.notification_reader.fd(), runner.notifications.fd(),
                              runner.spawner.fd(), runner.sts_fetcher.fd(), runner.logins.fd(),
                              runner.scanner.fd()});
    confine_to(resources.identity);
    end_with_parent(master);
    return Runner(generation.config, runner).run();
}

/// Keeps its rights: the program that it runs changes the packet filter.
int be_coal_runner(Generation& generation, pid_t master) {
    const int requests = generation.coal_requests->reader.release();
    close_descriptors_except({requests});
    end_with_parent(master);
    return run_coal_runner(generation.config, Fd(requests));
}

int be_sts_fetcher(Generation& generation, pid_t master) {
    const int requests = generation.sts_requests->reader.release();
    close_descriptors_except({requests});
    return run_sts_fetcher(generation.config, Fd(requests), master);
}

int be_login_keeper(Generation& generation, pid_t master) {
    const int requests = generation.relay_logins->reader.release();
    close_descriptors_except({requests});
    return run_login_keeper(generation.config, Fd(requests), master);
}

int be_scanner(Generation& generation, pid_t master) {
    const int requests = generation.scans->reader.release();
    close_descriptors_except({requests});
    return run_scanner(generation.config, Fd(requests), master);
}

int be_key_keeper(Generation& generation, const ServiceIdentity& identity, pid_t master) {
    Fd key_file(generation.key_file.release());
    Fd offers(generation.key_channels.theirs.release());
    close_descriptors_except({key_file.get(), offers.get()});
    return run_key_keeper(std::move(key_file), std::move(offers), [&] {
        confine_to(identity);
        end_with_parent(master);
    });
}

int be_listener(Generation& generation, HelperResources& resources, pid_t master) {
    if (generation.tls) generation.tls->become_reader();
    SessionResources sessions;
    sessions.spawner = SpawnerHandle(generation.requests.handle);
    sessions.notifications = QueueNotificationWriter(resources.notifications.write_end);
    if (generation.coal_requests) sessions.coal = CoalHandle(generation.coal_requests->handle);
    if (generation.scans) sessions.scanner = ScannerHandle(generation.scans->handle);
    sessions.authenticator = AuthenticatorHandle(generation.logins.handle);
    sessions.key_keeper = KeyKeeperHandle(generation.key_channels.ours);
    sessions.rates = &resources.rates;
    sessions.auditing = &resources.auditing;
    sessions.tls = generation.tls ? &*generation.tls : nullptr;
    sessions.passes = &generation.passes;
    SocketPair& succession = resources.succession;
    std::vector<int> kept = {sessions.spawner.fd(),       sessions.notifications.fd(), sessions.coal.fd(),
                             sessions.authenticator.fd(), sessions.key_keeper.fd(),    sessions.scanner.fd(),
                             succession.ours.get(),       succession.theirs.get()};
    std::vector<ListeningSocket> ports;
    for (Port& port : generation.ports)
        for (Fd& socket : port.sockets) {
            kept.push_back(socket.get());
            ports.push_back({std::move(socket), port.listen});
        }
    close_descriptors_except(kept);
    make_room_for_descriptors(Listener::descriptors_for(generation.config));
    confine_to(resources.identity);
    end_with_parent(master);
    // Not more: a rule of hosts.allow may run any program, in a child of a session.
    CallFilter::of_kernel_calls().enforce();
    return Listener(generation.config, std::move(ports), sessions, Succession(std::move(succession))).run();
}

}  // namespace

int run_helper(Generation::Role role, Generation& generation, HelperResources& resources, pid_t master) {
    switch (role) {
        case Generation::spawner:
            return be_spawner(generation, master);
        case Generation::authenticator:
            return be_authenticator(generation, master);
        case Generation::runner:
            return be_runner(generation, resources, master);
        case Generation::coal:
            return be_coal_runner(generation, master);
        case Generation::login_keeper:
            return be_login_keeper(generation, master);
        case Generation::scanner:
            return be_scanner(generation, master);
        case Generation::key_keeper:
            return be_key_keeper(generation, resources.identity, master);
        case Generation::sts_fetcher:
            return be_sts_fetcher(generation, master);
        default:
            return be_listener(generation, resources, master);
    }
}

void signal_helper(Generation::Role role, pid_t helper, int signal, const ServiceIdentity& service) {
    if (::kill(helper, signal) == 0 || errno != EPERM || ::geteuid() != 0) return;
    const bool is_without_rights = role == Generation::sts_fetcher || role == Generation::scanner;
    const ServiceIdentity of_helper = is_without_rights ? identity_without_rights() : service;
    const pid_t child = spawn_process("sending a signal", [&] {
        become_forever(of_helper.uid, of_helper.gid, {});
        (void)::kill(helper, signal);
        return 0;
    });
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
}

}  // namespace postoffice
