// runq, sendmail -q: one run over the queue. A running server is asked to do it; without one, root or the
// owner of a private host does it here.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <system_error>

#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/nudge.h"
#include "postoffice/base/process.h"
#include "postoffice/commands/commands.h"
#include "postoffice/daemon/queue_run.h"

namespace postoffice {
namespace {

bool owns_spool(const Config& config) {
    struct stat status {};
    if (::stat(config.queue_dir.c_str(), &status) != 0) throw_errno(config.queue_dir);
    return ::geteuid() == 0 || ::geteuid() == status.st_uid;
}

}  // namespace

int run_queue(const Config& config, const CommandLine& line) {
    if (nudge(config.control, line.ignore_retry_times ? "run now" : "run")) {
        if (line.verbose) fmt::print(stderr, "{}: the server was asked to run the queue\n", line.program);
        return 0;
    }
    try {
        if (!owns_spool(config)) {
            fmt::print(stderr, "{}: no server is running, and without one only root may run the queue\n",
                       line.program);
            return 69;
        }
        if (line.verbose || line.ignore_retry_times)
            return run_queue_once(config, line.ignore_retry_times, line.verbose);
        spawn_process("queue run", [&config] {
            ::setsid();
            detach_standard_streams(false);
            return run_queue_once(config, false, false);
        });
        return 0;
    } catch (const std::system_error& error) {
        fmt::print(stderr, "{}: {}\n", line.program, error.what());
        return error.code() == std::errc::no_such_file_or_directory ? 69 : 71;
    }
}

}  // namespace postoffice
