#include "postoffice/base/worker.h"

#include <unistd.h>

#include <csignal>

#include "postoffice/base/process.h"

namespace postoffice {
namespace {

// Of this process; the handler of a signal may touch nothing else.
volatile std::sig_atomic_t end_is_held = 0;
volatile std::sig_atomic_t end_is_wanted = 0;

void handle_request(int signal) {
    if (end_is_held == 0) ::_exit(0);
    end_is_wanted = 1;
    if (signal == SIGTERM) (void)::alarm(longest_hold);
}

}  // namespace

Worker start_worker(const std::string& title, const std::vector<int>& shared,
                    const std::function<int(Fd channel)>& body) {
    SocketPair channel = packet_socket_pair();
    Worker worker;
    worker.pid = spawn_process(title, [&] {
        const int theirs = channel.theirs.release();
        std::vector<int> kept(shared);
        kept.push_back(theirs);
        close_descriptors_except(kept);
        return body(Fd(theirs));
    });
    worker.channel = std::move(channel.ours);
    return worker;
}

void end_on_request(pid_t parent) {
    end_is_held = 0;  // whatever the parent had begun
    end_is_wanted = 0;
    for (const int request : {SIGTERM, make_way_signal}) ::signal(request, handle_request);
    end_with_parent(parent);
}

void hold_end() {
    end_is_held = 1;
}

void allow_end() {
    end_is_held = 0;
    if (end_is_wanted != 0) ::_exit(0);
}

bool is_end_wanted() {
    return end_is_wanted != 0;
}

}  // namespace postoffice
