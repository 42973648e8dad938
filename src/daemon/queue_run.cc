#include "postoffice/daemon/queue_run.h"

#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "postoffice/base/error.h"
#include "postoffice/base/letterbox.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/daemon/service_identity.h"
#include "postoffice/daemon/spawner.h"
#include "postoffice/delivery/arrivals.h"
#include "postoffice/delivery/runner.h"
#include "postoffice/mail/spool.h"

namespace postoffice {
namespace {

int wait_for(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) throw_errno("wait for a queue run");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 70;  // EX_SOFTWARE
}

}  // namespace

int run_queue_once(const Config& config, const QueueRun& run) {
    const ServiceIdentity identity = service_identity(config);
    Spool(config.queue_dir).create(identity.uid, identity.gid);
    Letterbox requests = make_letterbox();
    const Pipe arrivals = make_arrivals_pipe();

    const pid_t spawner = spawn_process("spawner", [&] {
        const int reader = requests.reader.release();
        close_descriptors_except({reader});
        return run_spawner(config, Fd(reader));
    });
    const pid_t runner = spawn_process("queue run", [&] {
        RunnerSettings settings;
        settings.arrivals = arrivals.read_end.get();
        settings.announce = arrivals.write_end.get();
        settings.spawner = requests.slot.get();
        settings.only_once = true;
        settings.ignore_retry_times = run.ignore_retry_times;
        settings.verbose = run.verbose;
        settings.only = run.only ? &*run.only : nullptr;
        close_descriptors_except({settings.arrivals, settings.announce, settings.spawner});
        confine_to(identity);
        return Runner(config, settings).run();
    });
    const int status = wait_for(runner);
    (void)::kill(spawner, SIGTERM);
    (void)wait_for(spawner);
    return status;
}

}  // namespace postoffice
