#include "postoffice/delivery/queue_agent.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "deferred_routing.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/output.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/base/worker.h"
#include "postoffice/delivery/agent_channels.h"
#include "postoffice/delivery/local_transport.h"
#include "postoffice/delivery/queue_job.h"
#include "postoffice/delivery/tls_reporter.h"
#include "postoffice/local/forwarding.h"
#include "postoffice/outbound/remote_delivery.h"
#include "postoffice/outbound/rewriting.h"
#include "postoffice/outbound/sts_source.h"
#include "postoffice/queue/delivery_status.h"
#include "postoffice/queue/spool.h"
#include "rerouting.h"

namespace postoffice {
namespace {

using Outcome = DeliveryResult::Outcome;

constexpr Milliseconds local_patience = std::chrono::minutes(2);
constexpr Milliseconds hasty_patience = std::chrono::seconds(1);
constexpr Milliseconds hasty_avoidance = std::chrono::seconds(30);
constexpr unsigned most_sts_questions = 10;  // the record of a policy, and CNAMEs that lead to it

LogEvent word_for(Outcome outcome, const Destination& destination) {
    switch (outcome) {
        case Outcome::delivered:
            return destination.is<Destination::Unrouted>() ? LogEvent("routed") : LogEvent("delivered");
        case Outcome::deferred:
            return "deferred";
        case Outcome::failed:
            return "failed";
    }
    return "failed";
}

class QueueAgent {
  public:
    QueueAgent(const Config& config, const QueueAgentTask& task, const QueueAgentHandles& handles)
        : config_(config),
          task_(task),
          handles_(handles),
          agents_(handles.spawner, local_patience, config.local.command_timeout),
          local_(config, agents_, std::chrono::duration_cast<Seconds>(local_patience)),
          hasty_agents_(handles.spawner, hasty_patience, config.local.command_timeout, hasty_avoidance),
          hasty_local_(config, hasty_agents_, std::chrono::duration_cast<Seconds>(local_patience)),
          next_hop_(task.next_hop),
          name_servers_(config.network.nameservers),
          resolver_(name_servers_.news().value()) {}

    /// From now on it works for this destination. Of the one before it knows no more, but for its TLS
    /// sessions, which are offered to the same host alone.
    void turn_to(NextHop next_hop) {
        if (next_hop == next_hop_) return;
        next_hop_ = std::move(next_hop);
        if (remote_) remote_->turn_to(next_hop_);
    }

    /// For people.
    std::string destination() const { return task_.is_local ? "mailboxes" : next_hop_.to_string(); }

    void route_again(QueueEntry& entry, std::span<const std::uint32_t> indices, StatusWriter status) {
        status_ = std::move(status);
        hold_end();
        if (!rerouting_) rerouting_.emplace(config_, handles_.spawner);
        for (const auto index : indices) {
            const auto result = rerouting_->route_again(entry, index);
            if (!result) continue;
            if (result->outcome == Outcome::failed) {
                record(entry, index, *result);
                continue;
            }
            entry.record(index, *result);
            if (entry.journal().is_to_report(index))
                entry.record_reported(index, "left to where it leads now");
        }
        status_ = StatusWriter();
    }

    QueueJobDone work(QueueEntry& entry, std::span<const std::uint32_t> indices, int message, bool is_patient,
                      StatusWriter status) {
        status_ = std::move(status);
        RemoteDelivery::Outcome outcome;
        if (task_.is_local)
            outcome.results = deliver_locally(entry, indices, message, is_patient);
        else
            outcome = deliver_remotely(entry, indices, message);

        hold_end();
        QueueJobDone done = answer_for(outcome);
        for (std::size_t i = 0; i < indices.size() && done.is_unrecorded == 0; ++i) {
            const DeliveryResult& result = outcome.results[i];
            done.is_slow[i] = result.is_unanswered && !is_patient ? 1 : 0;
            if (done.is_slow[i] == 0) record(entry, indices[i], result);
        }
        status_ = StatusWriter();
        return done;
    }

    /// What the connections of the last job came to: nothing, if it had the one that was kept.
    void write_results() {
        if (tls_results_) tls_results_->write();
    }

    void close_idle() {
        if (remote_) remote_->close();
        if (deferred_routing_) deferred_routing_->close_idle();
        local_.close_idle();
        hasty_local_.close_idle();
    }

  private:
    /// A job of which nothing got anywhere is left to the runner: another agent may have a connection.
    QueueJobDone answer_for(const RemoteDelivery::Outcome& outcome) const {
        QueueJobDone done;
        if (!outcome.destination_is_down) return done;
        const Reply& reply = why_down_.reply;
        done.destination_is_down = 1;
        done.code = static_cast<std::uint16_t>(reply.code);
        done.status.assign_cut(reply.status);
        done.why.assign_cut(reply.text);
        done.by.assign_cut(why_down_.by);
        const bool is_the_same_for_all =
            std::all_of(outcome.results.begin(), outcome.results.end(), [&](const DeliveryResult& result) {
                return result.outcome == Outcome::deferred && result.reply.text == reply.text;
            });
        done.is_unrecorded = is_the_same_for_all ? 1 : 0;
        return done;
    }

    std::vector<DeliveryResult> deliver_locally(const QueueEntry& entry,
                                                std::span<const std::uint32_t> indices, int message,
                                                bool is_patient) {
        hold_end();
        const Envelope& envelope = entry.journal().envelope;
        std::vector<DeliveryResult> results(indices.size());
        std::vector<MailboxDelivery> deliveries;
        std::vector<std::size_t> places;
        for (std::size_t i = 0; i < indices.size(); ++i) {
            const Destination& destination = envelope.recipients[indices[i]].destination;
            if (destination.is_mailbox()) {
                deliveries.push_back(
                    mailbox_delivery(entry.id(), destination, envelope.sender, envelope.folder));
                places.push_back(i);
            } else if (destination.is<Destination::Discard>()) {
                results[i] = delivered("Discarded, as asked");
            } else if (destination.is<Destination::Unrouted>()) {
                if (!deferred_routing_)
                    deferred_routing_.emplace(config_, handles_.spawner, handles_.notifications);
                results[i] = deferred_routing_->deliver(entry, indices[i], message);
            } else {
                results[i] = local_.carry_out({entry.id(), destination, envelope.sender}, message);
            }
        }
        auto in_mailboxes = (is_patient ? local_ : hasty_local_).deliver(deliveries, message);
        for (std::size_t i = 0; i < places.size(); ++i) results[places[i]] = std::move(in_mailboxes[i]);
        return results;
    }

    /// A policy of MTA-STS is that of a domain, not of a relay host.
    void prepare_remote() {
        remote_ = std::make_unique<RemoteDelivery>(config_, resolver_, next_hop_);
        remote_->set_logins(handles_.logins);
        const bool is_to_domain = next_hop_.is<NextHop::MailHosts>();
        if (config_.remote.tls_reports && is_to_domain)
            remote_->set_tls_results(tls_results_.emplace(tls_results_folder(config_)));
        if (!config_.remote.sts || handles_.sts_fetcher.fd() < 0 || !is_to_domain) return;
        remote_->add_policy_source(sts_.emplace(
            StsCache(config_.queue.dir + "/sts"),
            [this](const std::string& name) {
                return resolver_.until(Deadline::after(config_.remote.lookup_timeout), most_sts_questions)
                    .records(name, DnsType::txt);
            },
            [this](const std::string& domain) { return handles_.sts_fetcher.fetch(domain); }));
    }

    RemoteDelivery::Outcome deliver_remotely(const QueueEntry& entry, std::span<const std::uint32_t> indices,
                                             int message) {
        resolver_.refresh(name_servers_);
        if (!remote_) prepare_remote();
        const Envelope& envelope = entry.journal().envelope;
        std::map<std::string, std::vector<std::size_t>> ways;  // by the address that forwards them
        for (std::size_t i = 0; i < indices.size(); ++i)
            ways[forwarded_by(envelope.recipients[indices[i]], envelope)].push_back(i);

        RemoteDelivery::Outcome outcome{std::vector<DeliveryResult>(indices.size()), false};
        for (const auto& [by, places] : ways) {
            std::vector<DeliveryResult> results;
            if (!by.empty() && was_delivered_to(message, by)) {
                results.assign(places.size(), failed("5.4.6", "Mail loop: what is forwarded comes back"));
            } else if (outcome.destination_is_down) {
                results.assign(places.size(), why_down_);
            } else {
                std::vector<std::uint32_t> part;
                for (const std::size_t place : places) part.push_back(indices[place]);
                auto sent = send(entry, part, by, message);
                outcome.destination_is_down = sent.destination_is_down;
                results = std::move(sent.results);
                why_down_ = results.back();
            }
            for (std::size_t k = 0; k < places.size(); ++k)
                outcome.results[places[k]] = std::move(results[k]);
        }
        return outcome;
    }

    /// `by`: as forwarded_by() says; another host that knows of it sees by this field that mail goes round.
    RemoteDelivery::Outcome send(const QueueEntry& entry, std::span<const std::uint32_t> indices,
                                 const std::string& by, int message) try {
        addresses_.refresh();
        const Envelope& envelope = entry.journal().envelope;
        const auto sender = by.empty() ? Result<Address>(addresses_.rewritten(envelope.sender))
                                       : addresses_.forwarder_for(envelope.sender, now_unix());
        if (!sender) return cannot_rewrite(entry.id(), sender.problem(), indices.size());
        OutgoingEnvelope outgoing{{*sender, {}, envelope.parameters}};
        outgoing.header = addresses_.replacement_for(message);
        if (!by.empty()) outgoing.trace = "Delivered-To: " + by + "\n";
        for (const auto index : indices) {
            const Recipient& recipient = envelope.recipients[index];
            outgoing.recipients.emplace_back(recipient.destination.address, recipient.wishes);
            std::string& original = outgoing.recipients.back().wishes.original_recipient;
            if (original.empty()) original = original_recipient_of(recipient.original);
        }
        remote_->set_transcript(audience(envelope.recipients, indices));
        auto outcome = remote_->deliver(outgoing, message, entry.message_size());
        remote_->set_transcript(print());  // the watch is over when goodbye is said
        return outcome;
    } catch (const FormatError& problem) {
        return cannot_rewrite(entry.id(), problem.what(), indices.size());
    }

    /// Our own configuration is at fault: the mail waits.
    static RemoteDelivery::Outcome cannot_rewrite(const std::string& id, const std::string& problem,
                                                  std::size_t count) {
        log_event(id, "not-rewritten", {{"reason", problem}});
        const DeliveryResult result = deferred("4.3.5", "addresses cannot be rewritten now");
        return {std::vector<DeliveryResult>(count, result), false};
    }

    void record(QueueEntry& entry, std::size_t index, const DeliveryResult& result) {
        entry.record(index, result);
        if (result.notice_passed_on && entry.journal().is_to_report(index))
            entry.record_reported(index, "left to " + result.by);
        const Recipient& recipient = entry.journal().envelope.recipients[index];
        const LogEvent event = word_for(result.outcome, recipient.destination);
        if (const auto show = print())
            show(fmt::format("{}: {}: {}: {}", entry.id(), printable(recipient.original.to_string()),
                             event.name(), printable(result.reply.line())));
        log_event(entry.id(), event,
                  {{"to", "<" + recipient.original.to_string() + ">"},
                   {"from", "<" + entry.journal().envelope.sender.to_string() + ">"},
                   {"client", client_text(entry.journal().envelope.origin)},
                   {"mark", mark_of(entry.journal().envelope.folder)},
                   {"target", describe(recipient.destination)},
                   {"host", result.by.empty() ? config_.identity.hostname : result.by},
                   {"tls", result.tls},
                   {"tls-policy", result.tls_policy},
                   {"reply", result.reply.line()}});
        // What becomes of a recipient that goes on in a message of its own is not known yet.
        const bool goes_on =
            recipient.destination.is<Destination::Unrouted>() && result.outcome == Outcome::delivered;
        if (!goes_on) status_.report_outcome(recipient, result);
    }

    /// To whom the dialogue about these recipients is shown: the person at the terminal of a queue run; or a
    /// submitter that waits, unless another user's choice led one of them here.
    std::function<void(const std::string&)> audience(const std::vector<Recipient>& recipients,
                                                     std::span<const std::uint32_t> indices) const {
        if (task_.verbose) return print();
        if (!status_ || !std::all_of(indices.begin(), indices.end(),
                                     [&](auto index) { return status_.may_disclose(recipients[index]); }))
            return {};
        return [this](const std::string& line) { status_.write_transcript(line); };
    }

    /// Empty unless a person runs the queue by hand. The number of this process, which has one connection at
    /// a time, tells its lines from those of others to the same host.
    std::function<void(const std::string&)> print() const {
        if (!task_.verbose) return {};
        return [](const std::string& line) { print_error("[{}] {}\n", ::getpid(), line); };
    }

    const Config& config_;
    const QueueAgentTask& task_;
    const QueueAgentHandles handles_;
    AgentChannels agents_;
    LocalTransport local_;
    AgentChannels hasty_agents_;  ///< for mailboxes of many users: a slow one must not hold up the others
    LocalTransport hasty_local_;
    NextHop next_hop_;
    ResolverSource name_servers_;
    Resolver resolver_;
    std::optional<StsSource> sts_;
    std::optional<TlsResults> tls_results_;
    OutgoingAddresses addresses_{config_};
    std::unique_ptr<RemoteDelivery> remote_;
    std::optional<DeferredRouting> deferred_routing_;
    std::optional<Rerouting> rerouting_;
    DeliveryResult why_down_;  ///< the last word on the destination
    StatusWriter status_;      ///< of the message at hand
};

// Indices come from the runner, but the journal is what counts: one that is out of range would be our bug.
std::span<const std::uint32_t> checked_indices(const QueueJob& job, const QueueEntry& entry) {
    if (job.count > QueueJob::most_recipients) throw FormatError("queue job with too many recipients");
    const std::span<const std::uint32_t> indices(job.recipients, job.count);
    for (const auto index : indices)
        if (index >= entry.journal().envelope.recipients.size())
            throw FormatError("queue job for a recipient that is not there");
    return indices;
}

}  // namespace

int run_queue_agent(const Config& config, const QueueAgentTask& task, Fd channel,
                    const QueueAgentHandles& handles) {
    end_on_request(task.runner);
    QueueAgent agent(config, task, handles);
    for (;;) {
        std::optional<ReceivedStruct<QueueJob>> job;
        try {
            job = receive_struct<QueueJob>(channel.get(), Deadline::after(connection_idle));
        } catch (const Timeout&) {
            agent.close_idle();
            job = receive_struct<QueueJob>(channel.get());
        }
        if (!job || job->descriptors.size() < 2) break;
        QueueEntry entry(config.queue.dir, std::move(job->descriptors[0]));
        const auto indices = checked_indices(job->value, entry);
        if (std::string domain = job->value.domain.str(); !domain.empty())
            agent.turn_to({NextHop::MailHosts{std::move(domain)}, job->value.transport.str()});
        set_process_title("delivering " + entry.id() + " to " + agent.destination());
        StatusWriter status;
        if (job->descriptors.size() > 2)
            status = StatusWriter(std::move(job->descriptors[2]), job->value.submitter_sees_all != 0);
        QueueJobDone done;
        if (job->value.routes_again != 0)
            agent.route_again(entry, indices, std::move(status));
        else
            done = agent.work(entry, indices, job->descriptors[1].get(), job->value.is_patient != 0,
                              std::move(status));
        set_process_title("idle, last delivered to " + agent.destination());
        send_struct(channel.get(), done);
        agent.write_results();
        allow_end();
    }
    agent.close_idle();
    return 0;
}

}  // namespace postoffice
