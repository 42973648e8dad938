#include "postoffice/daemon/run_with_spawner.h"

#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "postoffice/base/error.h"
#include "postoffice/base/process.h"
#include "postoffice/base/request_socket.h"
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
    RequestSocket requests = make_request_socket();
    const pid_t parent = ::getpid();
    const pid_t spawner = spawn_process("spawner", [&] {
        end_with_parent(parent);
        const int reader = requests.reader.release();
        close_descriptors_except({reader});
        return run_spawner(config, Fd(reader));
    });
    const pid_t child = spawn_process(title, [&] {
        kept.push_back(requests.handle.get());
        close_descriptors_except(kept);
        confine_to(identity);
        end_with_parent(parent);
        return body(SpawnerHandle(requests.handle));
    });
    const int status = wait_for(child);
    (void)::kill(spawner, SIGTERM);
    (void)wait_for(spawner);
    return status;
}

}  // namespace postoffice
