#include "postoffice/delivery/settlement.h"

#include <fmt/format.h>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/delivery/retry.h"

namespace postoffice {
namespace {

constexpr UnixTime soon = 60;  // after errors of this host, such as a full disk

}  // namespace

template <class Record>
void Settlement::record_waiting(const DeliveryJob& job, const DeliveryResult& result,
                                const Record& record) const {
    QueueEntry& entry = job.message->entry;
    try {
        for (const auto index : job.recipients)
            if (entry.journal().recipients[index].status == RecipientState::Status::waiting) {
                record(entry, index);
                report_outcome(entry, index, result);
            }
    } catch (const std::system_error& error) {
        log_event(entry.id(), "not-recorded", {{"reason", error.what()}});
    }
}

// The end of a job that routes again says nothing of its recipients: they are tried where they led before.
void Settlement::record(const DeliveryJob& job, const DeliveryResult& result) const {
    if (job.routes_again) return;
    record_waiting(job, result, [&](QueueEntry& entry, auto index) { entry.record(index, result); });
}

void Settlement::postpone(const DeliveryJob& job, const DestinationQueue& destination) const {
    if (job.routes_again) return;
    const DeliveryResult& why = destination.why_down;
    if (has_expired(config_, job.message->entry.journal(), destination.down_since))
        return record(job, given_up(config_, why));
    record_waiting(job, why, [&](QueueEntry& entry, auto index) { entry.record_postponed(index, why); });
}

/// What became of a recipient: to the log, to the terminal of a queue run, and to a submitter that waits.
void Settlement::report_outcome(const QueueEntry& entry, std::size_t index,
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

/// Recipients for which an attempt was made when the time was over already: none is given up for what
/// happened before.
void Settlement::give_up_expired(QueueEntry& entry) const {
    const Journal& journal = entry.journal();
    const Scheduling& scheduling = journal.envelope.parameters.scheduling;
    for (std::size_t i = 0; i < journal.recipients.size(); ++i) {
        const RecipientState& state = journal.recipients[i];
        if (state.status != RecipientState::Status::waiting) continue;
        if (scheduling.must_be_returned(now_unix()))
            entry.record(i, not_in_time(*scheduling.deliver_by, state.last));
        else if (has_expired(config_, journal, state.last_attempt))
            entry.record(i, given_up(config_, state.last));
    }
}

std::optional<UnixTime> Settlement::settle(ActiveMessage& message, bool is_stopping) const try {
    QueueEntry& entry = message.entry;
    const UnixTime now = now_unix();
    give_up_expired(entry);
    const std::vector<std::string> reports = bouncer_.report(entry, now);
    for (const std::string& report : reports) events_.on_queued(report);
    if (!entry.journal().is_finished()) {
        const UnixTime due = next_time(message, is_stopping, now);
        // That it was tried in vain need not outlive a crash of the machine: it is tried again then.
        if (entry.journal().waiting() != message.waiting || !reports.empty()) entry.sync();
        return due;
    }
    entry.finish();
    log_event(entry.id(), "finished",
              {{"delay", duration_text(Seconds(now - entry.journal().envelope.arrived))}});
    return std::nullopt;
} catch (const std::exception& error) {
    // The disk would not take a record or a report. What happened is in the journal or will be found out
    // again.
    log_event(message.entry.id(), "not-settled", {{"reason", in_plain_words(error)}});
    return now_unix() + soon;
}

/// Also records it, unless the message waits for a queue run.
UnixTime Settlement::next_time(ActiveMessage& message, bool is_stopping, UnixTime now) const {
    if (is_stopping) return now;
    const Journal& journal = message.entry.journal();
    // The journal counts this attempt below; the wait is the one that follows it.
    UnixTime due = next_attempt(config_, journal, now, journal.attempts + 1);
    if (!message.was_tried && due <= now) due = now + soon;
    if (message.is_withheld) return due;
    if (message.was_tried)
        message.entry.defer_until(due);
    else
        message.entry.set_due(due);
    return due;
}

}  // namespace postoffice
