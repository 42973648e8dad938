// What becomes of a message when its parts are back, or could not be handed to an agent.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/delivery/dispatcher.h"
#include "postoffice/delivery/retry.h"

namespace postoffice {
namespace {

constexpr std::chrono::seconds down_time{60};  // after no host of a destination could be reached
constexpr UnixTime trouble_delay = 60;         // our own trouble (disk full): try again soon

}  // namespace

void Dispatcher::note_down(DestinationQueue& destination, const DeliveryResult& why) {
    destination.down_until = Clock::now() + down_time;
    destination.down_since = now_unix();
    destination.why_down = why;
}

/// Another message has just found its destination down: that is no attempt for this one, unless this one is
/// only waiting to be given up.
void Dispatcher::postpone_job(Job job, const DestinationQueue& destination) {
    if (job.routes_again) return finish(std::move(job));
    QueueEntry& entry = job.message->entry;
    if (has_expired(config_, entry.journal().envelope.arrived, destination.down_since))
        return settle_job(std::move(job), given_up(config_, destination.why_down));
    try {
        for (const auto index : job.recipients)
            if (entry.journal().recipients[index].status == RecipientState::Status::waiting) {
                entry.record_postponed(index, destination.why_down);
                report_outcome(entry, index, destination.why_down);
            }
    } catch (const std::system_error& error) {
        log_event(entry.id(), "not-recorded", {{"reason", error.what()}});
    }
    finish(std::move(job));
}

void Dispatcher::defer_job(Job job, const std::string& why) {
    settle_job(std::move(job), deferred("4.4.1", why));
}

// Recipients that a worker has settled already keep their outcome. An unanswered question where they lead by
// now is no outcome: they are tried where they led before.
void Dispatcher::settle_job(Job job, const DeliveryResult& result) {
    if (job.routes_again) return finish(std::move(job));
    QueueEntry& entry = job.message->entry;
    try {
        for (const auto index : job.recipients)
            if (entry.journal().recipients[index].status == RecipientState::Status::waiting) {
                entry.record(index, result);
                report_outcome(entry, index, result);
            }
    } catch (const std::system_error& error) {
        log_event(entry.id(), "not-recorded", {{"reason", error.what()}});
    }
    finish(std::move(job));
}

/// What became of a recipient: to the log, to the terminal of a queue run, and to a submitter that waits.
void Dispatcher::report_outcome(const QueueEntry& entry, std::size_t index,
                                const DeliveryResult& result) const {
    const bool has_failed = result.outcome == DeliveryResult::Outcome::failed;
    const LogEvent event = has_failed ? LogEvent("failed") : LogEvent("deferred");
    const Envelope& envelope = entry.journal().envelope;
    const Recipient& recipient = envelope.recipients[index];
    const std::string to = recipient.original.to_string();
    log_event(entry.id(), event,
              {{"to", "<" + to + ">"},
               {"from", "<" + envelope.sender.to_string() + ">"},
               {"client", client_text(envelope.origin)},
               {"target", describe(recipient.destination)},
               {"host", result.by},
               {"reply", result.reply.line()}});
    events_.show(fmt::format("{}: {}: {}: {}", entry.id(), printable(to), event.name(),
                             printable(result.reply.line())));
    if (const StatusWriter* status = events_.status_writer_of(entry.id()))
        status->report_outcome(recipient, result);
}

void Dispatcher::finish(Job job) {
    ActiveMessage& message = *job.message;
    if (--message.jobs_left != 0) return;
    if (std::exchange(message.is_routed, true) || stopping_) return settle(message);
    const Parts parts = parts_for_now(message.entry, message.is_withheld);
    hand_out(message, parts);
}

/// Recipients for which an attempt was made when the time was over already: none is given up for what
/// happened before.
void Dispatcher::give_up_expired(QueueEntry& entry) const {
    const Journal& journal = entry.journal();
    for (std::size_t i = 0; i < journal.recipients.size(); ++i) {
        const RecipientState& state = journal.recipients[i];
        if (state.status == RecipientState::Status::waiting &&
            has_expired(config_, journal.envelope.arrived, state.last_attempt))
            entry.record(i, given_up(config_, state.last));
    }
}

void Dispatcher::settle(ActiveMessage& message) try {
    QueueEntry& entry = message.entry;
    const UnixTime now = now_unix();
    give_up_expired(entry);
    const std::vector<std::string> reports = bouncer_.report(entry, now);
    for (const std::string& report : reports) events_.on_queued(report);
    if (!entry.journal().is_finished()) {
        const Journal& journal = entry.journal();
        // set_next_attempt() counts this attempt; the wait is the one that follows it.
        UnixTime due =
            stopping_ ? now : next_attempt(config_, journal.envelope.arrived, now, journal.attempts + 1);
        if (!message.was_tried && !stopping_ && due <= now) due = now + trouble_delay;
        if (!stopping_ && !message.is_withheld) set_next_attempt(message, due);
        // That it was tried in vain need not outlive a crash of the machine: it is tried again then.
        if (journal.waiting() != message.waiting || !reports.empty()) entry.sync();
        release(message, due);
        return;
    }
    const std::string id = entry.id();
    entry.finish();
    log_event(id, "finished", {{"delay", duration_text(Seconds(now - entry.journal().envelope.arrived))}});
    release(id);
    events_.on_finished(id);
} catch (const std::exception& error) {
    // The disk would not take a record or a report. What happened is in the journal or will be found out
    // again.
    log_event(message.entry.id(), "not-settled", {{"reason", in_plain_words(error)}});
    release(message, now_unix() + trouble_delay);
}

void Dispatcher::set_next_attempt(ActiveMessage& message, UnixTime due) const {
    if (message.was_tried)
        message.entry.defer_until(due);
    else
        message.entry.set_due(due);
}

void Dispatcher::release(ActiveMessage& message, UnixTime due) {
    const std::string id = message.entry.id();
    const bool is_withheld = message.is_withheld;
    release(id);
    if (is_withheld)
        events_.on_gone(id);
    else
        events_.on_deferred(id, due);
}

}  // namespace postoffice
