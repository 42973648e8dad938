#include "postoffice/daemon/queue_run.h"

#include <optional>
#include <utility>

#include "command_helper.h"
#include "postoffice/daemon/login_keeper.h"
#include "postoffice/daemon/run_with_spawner.h"
#include "postoffice/daemon/scanner_process.h"
#include "postoffice/daemon/service_identity.h"
#include "postoffice/daemon/sts_fetcher.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/delivery/runner.h"
#include "postoffice/queue/spool.h"

namespace postoffice {

int run_queue_once(const Config& config, const QueueRun& run) {
    const ServiceIdentity identity = service_identity(config);
    Spool(config.queue.dir).create(identity.uid, identity.gid);
    const Pipe notifications = make_queue_notification_pipe();
    RunnerSettings settings;
    settings.notification_reader = QueueNotificationReader(notifications.read_end);
    settings.notifications = QueueNotificationWriter(notifications.write_end);
    settings.only_once = true;
    settings.ignore_retry_times = run.ignore_retry_times;
    settings.verbose = run.verbose;
    settings.only = run.only ? &*run.only : nullptr;
    std::optional<CommandHelper> sts_fetcher, login_keeper, scanner;
    if (needs_sts_fetcher(config)) {
        sts_fetcher.emplace("STS fetcher", [&](Fd requests, pid_t parent) {
            return run_sts_fetcher(config, std::move(requests), parent);
        });
        settings.sts_fetcher = StsFetcherHandle(sts_fetcher->handle());
    }
    if (needs_login_keeper(config)) {
        login_keeper.emplace("login keeper", [&](Fd requests, pid_t parent) {
            return run_login_keeper(config, std::move(requests), parent);
        });
        settings.logins = RelayLoginHandle(login_keeper->handle());
    }
    if (!config.access.av.empty()) {
        scanner.emplace("scanner", [&](Fd requests, pid_t parent) {
            return run_scanner(config, std::move(requests), parent);
        });
        settings.scanner = ScannerHandle(scanner->handle());
    }
    return run_with_spawner(config, "queue run",
                            {settings.notification_reader.fd(), settings.notifications.fd(),
                             settings.sts_fetcher.fd(), settings.logins.fd(), settings.scanner.fd()},
                            [&](SpawnerHandle spawner) {
                                settings.spawner = spawner;
                                return Runner(config, settings).run();
                            });
}

}  // namespace postoffice
