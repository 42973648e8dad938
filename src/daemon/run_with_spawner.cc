#include "postoffice/daemon/run_with_spawner.h"

#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "command_helper.h"
#include "postoffice/base/error.h"
#include "postoffice/base/process.h"
#include "postoffice/daemon/service_identity.h"
#include "postoffice/daemon/spawner.h"

namespace postoffice {
namespace {

int wait_for(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) throw_errno("wait for a child process");
    return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

}  // namespace

int run_with_spawner(const Config& config, const std::string& title, std::vector<int> kept,
                     const std::function<int(SpawnerHandle spawner)>& body) {
    const ServiceIdentity identity = service_identity(config);
    const CommandHelper spawner("spawner", [&](Fd requests, pid_t parent) {
        end_with_parent(parent);
        return run_spawner(config, std::move(requests), TicketKey());
    });
    return wait_for(spawn_process(title, [&, parent = ::getpid()] {
        kept.push_back(spawner.handle().get());
        close_descriptors_except(kept);
        confine_to(identity);
        end_with_parent(parent);
        return body(SpawnerHandle(spawner.handle()));
    }));
}

}  // namespace postoffice
