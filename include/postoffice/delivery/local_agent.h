// The local agent: a process that has become one user and appends messages to that user's mailbox. Requests
// that wait together share one lock and one sync.
#pragma once

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/privileges.h"
#include "postoffice/config/config.h"

namespace postoffice {

/// How an agent may write below mail_dir when the mailbox group is needed for creating files there: it runs
/// with the user's own ids, and this group as its saved group id, made effective only while it appends.
struct MailboxGroup {
    bool needed = false;
    gid_t gid = 0;
};

/// Serves until every channel is closed or `idle` has passed without a request. `control`: packets, each with
/// one descriptor: a new channel of DeliveryRequests. The caller has become `account` already. Returns the
/// exit status.
int run_local_agent(const Config& config, const Account& account, const MailboxGroup& group, Fd control,
                    Seconds idle);

}  // namespace postoffice
