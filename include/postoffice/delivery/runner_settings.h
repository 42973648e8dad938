// What a runner is started with.
#pragma once

#include <set>
#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/content/scanner.h"
#include "postoffice/delivery/control_commands.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/local/spawner_handle.h"
#include "postoffice/outbound/relay_login.h"
#include "postoffice/outbound/sts_fetcher_handle.h"

namespace postoffice {

/// The descriptors stay the caller's.
struct RunnerSettings {
    ControlSocket control;                        ///< that commands write to
    QueueNotificationReader notification_reader;  ///< tells of queued messages
    QueueNotificationWriter notifications;        ///< the other end, for the workers of the runner
    SpawnerHandle spawner;
    StsFetcherHandle sts_fetcher;
    ScannerHandle scanner;                        ///< for submissions
    RelayLoginHandle logins;                      ///< for queue agents of relay hosts
    Seconds rescan{600};                          ///< look at the whole spool so often
    bool only_once = false;                       ///< one queue run: ends when all that was due is settled
    bool ignore_retry_times = false;              ///< begin with a run over everything
    bool verbose = false;                         ///< agents show their dialogues, and what came of them
    const std::set<std::string>* only = nullptr;  ///< ids of the messages to begin with, not owned; null: all
};

}  // namespace postoffice
