// runq, sendmail -q: one run over the queue. A running server is asked to do it. For root, or the owner of a
// private host, it is done here if no server is running, or with -v, or for selected messages.
#include <unistd.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>

#include "postoffice/base/fd.h"
#include "postoffice/base/output.h"
#include "postoffice/base/process.h"
#include "postoffice/base/trigger.h"
#include "postoffice/commands/commands.h"
#include "postoffice/daemon/queue_run.h"
#include "postoffice/queue/drop.h"
#include "postoffice/queue/spool.h"
#include "queue_filter.h"

namespace postoffice {
namespace {

std::set<std::string> select_messages(const Config& config, const CommandLine& line) {
    std::set<std::string> ids;
    const Spool spool(config.queue.dir);
    for (const Spool::Item& item : spool.scan()) {
        try {
            const auto journal = spool.peek(item.id);
            if (journal && meets_filters(*journal, line.queue.filters)) ids.insert(item.id);
        } catch (
            const std::runtime_error& error) {  // FormatError, std::system_error: the others are meant, too
            print_error("{}: {}: {}\n", line.program, spool.journal_path(item.id), error.what());
        }
    }
    return ids;
}

/// Whether the run would try anything. What cannot be seen may be there.
bool has_work(const Config& config, const QueueRun& run) {
    const Spool spool(config.queue.dir);
    if (run.only) return !run.only->empty();
    if (::access(spool.drop_directory().c_str(), R_OK) != 0 || !list_drops(spool.drop_directory()).empty())
        return true;
    const auto items = spool.scan();
    return std::any_of(items.begin(), items.end(), [&](const Spool::Item& item) {
        return run.ignore_retry_times || item.due <= now_unix();
    });
}

int run_here(const Config& config, const CommandLine& line) {
    QueueRun run{line.queue.ignore_retry_times, line.verbose, std::nullopt};
    if (!line.queue.filters.empty()) {
        run.only = select_messages(config, line);
        run.ignore_retry_times = true;
    }
    if (line.verbose && !has_work(config, run)) print_error("{}: nothing is due\n", line.program);
    if (line.verbose || line.queue.ignore_retry_times) return run_queue_once(config, run);
    spawn_process("queue run", [&] {
        ::setsid();
        detach_standard_streams(false);
        return run_queue_once(config, run);
    });
    return 0;
}

}  // namespace

int run_queue(const Config& config, const CommandLine& line) {
    try {
        const bool is_owner = Spool(config.queue.dir).is_mine();
        // A running server would not hear of settings that are for this run alone.
        const bool is_special = line.verbose || !line.queue.filters.empty() || !line.settings.empty();
        if (is_owner && is_special) return run_here(config, line);
        if (trigger(config.queue.control, line.queue.ignore_retry_times ? "run now" : "run")) {
            if (line.verbose) print_error("{}: the server was asked to run the queue\n", line.program);
            return 0;
        }
        if (is_owner) return run_here(config, line);
        print_error("{}: no server is running, and without one only root may run the queue\n", line.program);
        return 69;
    } catch (const std::system_error& error) {
        print_error("{}: {}\n", line.program, error.what());
        return error.code() == std::errc::no_such_file_or_directory ? 69 : 71;
    }
}

}  // namespace postoffice
