#include "postoffice/delivery/queue_workers.h"

#include <unistd.h>

#include <utility>

#include "postoffice/base/output.h"
#include "postoffice/base/process.h"
#include "postoffice/delivery/pickup.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/delivery/reaper.h"
#include "postoffice/delivery/tls_reporter.h"
#include "postoffice/net/tls_client.h"
#include "postoffice/policy/greylist_expiry.h"

namespace postoffice {

void QueueWorkers::show(const std::string& line) const {
    if (settings_.verbose) print_error("{}\n", line);
}

Worker QueueWorkers::start_agent(const QueueAgentTask& task) const {
    QueueAgentTask complete = task;
    complete.verbose = settings_.verbose;
    complete.runner = ::getpid();
    // An agent that talks to other hosts gets nothing by which a process with rights could be asked for
    // anything.
    QueueAgentHandles handles;
    std::vector<int> kept;
    if (task.is_local) {
        handles.spawner = settings_.spawner;
        handles.notifications = settings_.notifications;
        kept = {settings_.spawner.fd(), settings_.notifications.fd()};
    } else {
        prepare_for_tls();
        handles.sts_fetcher = settings_.sts_fetcher;
        kept = {settings_.sts_fetcher.fd()};
        // Which relay hosts there are says the configuration.
        if (task.next_hop.is<NextHop::Relays>()) handles.logins = settings_.logins;
        kept.push_back(handles.logins.fd());
    }
    return start_worker("queue agent", kept, [&](Fd channel) {
        agent_calls_.enforce();
        return run_queue_agent(config_, complete, std::move(channel), handles);
    });
}

Worker QueueWorkers::start_pickup_worker() const {
    return start_worker(
        "picking up local mail",
        {settings_.spawner.fd(), settings_.notifications.fd(), settings_.scanner.fd()}, [&](Fd channel) {
            agent_calls_.enforce();
            return run_pickup_worker(config_, std::move(channel),
                                     {settings_.spawner, settings_.notifications, settings_.scanner},
                                     [this](const std::string& line) { show(line); });
        });
}

Fd QueueWorkers::start_reaper() const {
    Pipe pipe = make_queue_notification_pipe();
    (void)spawn_process("reaper", [&] {
        const int read_end = pipe.read_end.release();
        close_descriptors_except({read_end});
        reaper_calls_.enforce();
        return run_reaper(spool_, StsCache(config_.queue.dir + "/sts"), Fd(read_end));
    });
    return std::move(pipe.write_end);
}

void QueueWorkers::expire_greylist_when_due(UnixTime now) {
    if (settings_.only_once || now < next_greylist_look_) return;
    next_greylist_look_ = now + 60;
    if (!is_greylist_expiry_due(config_.greylist, now)) return;
    next_greylist_look_ = now + 3600;  // the process marks that it was done, if it can
    (void)spawn_process("greylist", [&, runner = ::getpid()] {
        close_descriptors_except({});
        // Not killed with the runner: a change that is cut short can damage a file.
        expire_greylist(config_.greylist, now, [runner] { return ::getppid() == runner; });
        return 0;
    });
}

void QueueWorkers::report_tls_when_due(UnixTime now) {
    if (settings_.only_once || now < next_report_look_) return;
    next_report_look_ = now + 60;
    if (!are_tls_reports_due(config_, now)) return;
    (void)spawn_process("TLS reports", [&] {
        close_descriptors_except({settings_.notifications.fd()});
        agent_calls_.enforce();
        send_tls_reports(config_, spool_, settings_.notifications, now);
        return 0;
    });
}

}  // namespace postoffice
