// What the dispatcher asks of the runner, and tells it.
#pragma once

#include <csignal>
#include <functional>
#include <string>

#include "postoffice/base/worker.h"
#include "postoffice/delivery/queue_agent.h"
#include "postoffice/mail/address.h"
#include "postoffice/queue/delivery_status.h"
#include "postoffice/queue/journal.h"

namespace postoffice {

struct DispatcherEvents {
    std::function<Worker(const QueueAgentTask&)> start_agent;
    /// The message left the dispatcher and is due again then.
    std::function<void(const std::string& id, UnixTime due)> on_deferred;
    /// The message is done: its files can go.
    std::function<void(const std::string& id)> on_finished;
    /// The message could not be had any more, or what is left of it waits for a queue run.
    std::function<void(const std::string& id)> on_gone;
    /// A report was queued.
    std::function<void(const std::string& id)> on_queued;
    /// Of the submitter that waits for the outcome of the message; nullptr if none does.
    std::function<const StatusWriter*(const std::string& id)> status_writer_of = [](const std::string&) {
        return nullptr;
    };
    /// The recipients of the message at other hosts may be tried now.
    std::function<bool(const Journal& journal)> may_leave = [](const Journal&) { return true; };
    /// For the terminal of a queue run: what became of a recipient without an agent.
    std::function<void(const std::string& line)> show = [](const std::string&) {};
    /// The address is in a domain of ours, so that what it leads to is said by files of this host.
    std::function<bool(const Address&)> is_ours = [](const Address&) { return false; };
    /// The account that owns this virtual domain; "" for another domain.
    std::function<std::string(const std::string& domain)> owner_of = [](const std::string&) {
        return std::string();
    };
    /// Asks an agent that is busy to end as soon as it may: with SIGTERM, or with make_way_signal.
    std::function<void(const Worker&, int signal)> end_agent = [](const Worker& worker, int signal) {
        if (worker.pid > 0) (void)::kill(worker.pid, signal);
    };
};

}  // namespace postoffice
