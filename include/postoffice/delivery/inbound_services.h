// What every process needs that accepts messages: a router that sees what each user's files say, and a
// DeliverOrQueue that delivers or queues.
#pragma once

#include <functional>
#include <string>

#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"
#include "postoffice/delivery/agent_channels.h"
#include "postoffice/delivery/bounce.h"
#include "postoffice/delivery/delegated_user_files.h"
#include "postoffice/delivery/deliver_or_queue.h"
#include "postoffice/delivery/local_transport.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/local/spawner_handle.h"
#include "postoffice/queue/spool.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/router.h"
#include "postoffice/routing/users.h"

namespace postoffice {

class InboundServices {
  public:
    struct Settings {
        SpawnerHandle spawner;                  ///< is asked for local agents
        QueueNotificationWriter notifications;  ///< of messages that are queued
        Milliseconds patience{};                ///< with the agents of users, in one question or delivery
        Milliseconds avoidance{};               ///< of agents that did not answer, as for AgentChannels
        Seconds server_patience{120};           ///< with the server of local-transport, for each step
        DeliverOrQueue::OnTotalFailure on_total_failure = DeliverOrQueue::OnTotalFailure::queued;
        /// As DeliverOrQueue calls them; may be empty.
        std::function<void(const std::string&)> on_queued = {};
        std::function<void(const Recipient&, const DeliveryResult&)> on_settled = {};
    };
    /// For messages for which no client waits, in a process that works for one owner at a time.
    static Settings unattended(SpawnerHandle spawner, QueueNotificationWriter notifications) {
        return {.spawner = spawner, .notifications = notifications, .patience = std::chrono::minutes(2)};
    }
    /// The same in one that others wait for: what takes longer than a second is left to the queue.
    static Settings in_passing(SpawnerHandle spawner, QueueNotificationWriter notifications) {
        return {.spawner = spawner,
                .notifications = notifications,
                .patience = std::chrono::seconds(1),
                .avoidance = std::chrono::seconds(30)};
    }

    /// Keeps the references.
    InboundServices(const Config& config, const Spool& spool, const Settings& settings);
    InboundServices(const InboundServices&) = delete;
    InboundServices& operator=(const InboundServices&) = delete;

    Router& router() { return router_; }
    Acceptor& acceptor() { return deliver_or_queue_; }
    /// A connection to a server that keeps the mailboxes is open.
    bool is_connected() const { return local_.is_connected(); }
    /// Nothing is to be taken in for the moment: what is kept open for the next message can go.
    void close_idle() { local_.close_idle(); }

  private:
    AliasTable aliases_;
    UserDirectory users_;
    AgentChannels agents_;
    DelegatedUserFiles files_;
    LocalTransport local_;
    Router router_;
    Bouncer bouncer_;
    DeliverOrQueue deliver_or_queue_;
};

}  // namespace postoffice
