#include "helper_process.h"

#include <utility>
#include <vector>

#include "listener.h"
#include "postoffice/base/process.h"
#include "postoffice/base/system_calls.h"
#include "postoffice/daemon/authenticator.h"
#include "postoffice/daemon/coal_runner.h"
#include "postoffice/daemon/key_keeper.h"
#include "postoffice/daemon/spawner.h"
#include "postoffice/delivery/runner.h"

namespace postoffice {
namespace {

int be_spawner(Generation& generation, pid_t master) {
    const int requests = generation.requests.reader.release();
    close_descriptors_except({requests});
    end_with_parent(master);
    return run_spawner(generation.config, Fd(requests));
}

int be_authenticator(Generation& generation, pid_t master) {
    const int requests = generation.logins.reader.release();
    close_descriptors_except({requests});
    end_with_parent(master);
    // A session has one question at a time, so this is enough for all of them.
    AuthenticatorLimits limits;
    limits.children = generation.config.clients + limits.of_one_session;
    return run_authenticator(generation.config, Fd(requests), generation.passes, limits);
}

int be_runner(const Generation& generation, const HelperResources& resources, pid_t master) {
    RunnerSettings runner;
    runner.control = resources.control.get();
    runner.arrivals = resources.notifications.read_end.get();
    runner.announce = resources.notifications.write_end.get();
    runner.spawner = generation.requests.handle.get();
    if (resources.queue_interval) runner.rescan = *resources.queue_interval;
    close_descriptors_except({runner.control, runner.arrivals, runner.announce, runner.spawner});
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
    SessionProcessSockets helpers{generation.requests.handle.get(), resources.notifications.write_end.get()};
    helpers.authenticator = generation.logins.handle.get();
    helpers.passes = &generation.passes;
    if (generation.coal_requests) helpers.coal = generation.coal_requests->handle.get();
    helpers.rates = &resources.rates;
    helpers.auditing = &resources.auditing;
    if (generation.tls) generation.tls->become_reader();
    helpers.tls = generation.tls ? &*generation.tls : nullptr;
    helpers.key_channels = generation.key_channels.ours.get();
    SocketPair& succession = resources.succession;
    std::vector<int> kept = {helpers.spawner,     helpers.announce,      helpers.authenticator,
                             helpers.coal,        succession.ours.get(), succession.theirs.get(),
                             helpers.key_channels};
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
    return Listener(generation.config, std::move(ports), helpers, Succession(std::move(succession))).run();
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
        case Generation::key_keeper:
            return be_key_keeper(generation, resources.identity, master);
        default:
            return be_listener(generation, resources, master);
    }
}

}  // namespace postoffice
