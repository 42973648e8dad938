#include "postoffice/delivery/bounce.h"

#include <fmt/format.h>

#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/delivery/retry.h"
#include "postoffice/queue/drop.h"
#include "postoffice/queue/report.h"
#include "postoffice/routing/recipients.h"

namespace postoffice {
namespace {

using Status = RecipientState::Status;
using Entries = std::vector<DsnRequest::Entry>;

// After which a sender that asked for it gets a notice of delay, if delay-warning= does not say; as sendmail
// does.
constexpr Seconds usual_delay{4 * 3600};

// Empty if it is lost: then the report says so.
Fd original_of(const QueueEntry& entry) {
    try {
        return entry.open_message();
    } catch (const std::system_error& error) {
        log_event(entry.id(), "message-unreadable", {{"reason", error.what()}});
        return Fd();
    }
}

Entries entries_to_report(const Journal& journal, Status status) {
    Entries entries;
    for (std::size_t i = 0; i < journal.recipients.size(); ++i) {
        if (journal.recipients[i].status != status || !journal.is_to_report(i)) continue;
        const bool is_here = !journal.envelope.recipients[i].destination.is<Destination::Remote>();
        entries.push_back({i, status == Status::failed ? DsnAction::failed
                              : is_here                ? DsnAction::delivered
                                                       : DsnAction::relayed});
    }
    return entries;
}

/// For postmaster: what was moved aside, and what can be done about it.
std::string damage_text(const std::string& hostname, const std::string& spool,
                        const std::vector<DamagedMessage>& damaged) {
    std::string text = fmt::format(
        "This is the mail system at {}.\n\n"
        "These messages could not be read, and were moved aside in\n{}:\n\n",
        hostname, spool);
    for (const DamagedMessage& message : damaged)
        text += fmt::format("  bad{}\n    {}\n", message.id, printable(message.problem));
    return text +
           "\nNothing is delivered of them until the journal is mended and named cmID again;\n"
           "the text of a large message is in dmID, of a small one in the journal. mailq shows\n"
           "what was moved aside, and spool(5) tells the form of a journal.\n";
}

}  // namespace

Bouncer::Bouncer(const Config& config, const Spool& spool, Router& router, Lookup lookup)
    : config_(config), spool_(spool), router_(router), lookup_(lookup) {}

std::vector<std::string> Bouncer::report(QueueEntry& entry, UnixTime now) {
    std::vector<std::string> reports;
    for (std::string id : {report_failures(entry), report_successes(entry), report_delays(entry, now)})
        if (!id.empty()) reports.push_back(std::move(id));
    return reports;
}

std::string Bouncer::report_failures(QueueEntry& entry) {
    const Journal& journal = entry.journal();
    const bool is_report = journal.envelope.sender.is_null();
    Entries failures = entries_to_report(journal, Status::failed);
    // NOTIFY is about the sender; a failure that cannot be reported to any sender goes to postmaster anyway.
    std::erase_if(failures, [&](const DsnRequest::Entry& failure) {
        const bool is_wanted = journal.envelope.recipients[failure.index].wishes.notify.wants_failure();
        if (is_report || is_wanted) return false;
        entry.record_reported(failure.index, "not wanted");
        return true;
    });
    if (failures.empty()) return "";

    const Address postmaster("postmaster", config_.identity.hostname);
    const bool was_for_postmaster =
        is_report && journal.envelope.recipients[failures.front().index].original == postmaster;

    const Fd original = original_of(entry);
    std::string report;
    if (!is_report) report = queue_report(journal, failures, journal.envelope.sender, original.get());
    if (report.empty() && !was_for_postmaster)
        report = queue_report(journal, failures, postmaster, original.get());

    for (const auto& failure : failures)
        entry.record_reported(failure.index, report.empty() ? "to nobody" : "in " + report);
    if (report.empty())
        log_event(entry.id(), "unreportable", {{"reason", "no sender and no postmaster to tell"}});
    return report;
}

std::string Bouncer::report_successes(QueueEntry& entry) {
    const Journal& journal = entry.journal();
    const Entries successes = entries_to_report(journal, Status::delivered);
    if (successes.empty()) return "";
    const Fd original = original_of(entry);
    const std::string report = queue_report(journal, successes, journal.envelope.sender, original.get());
    for (const auto& success : successes)
        entry.record_reported(success.index, report.empty() ? "to nobody" : "in " + report);
    return report;
}

std::string Bouncer::report_delays(QueueEntry& entry, UnixTime now) {
    const Journal& journal = entry.journal();
    const bool for_all = config_.queue.delay_warning.count() > 0;
    const Seconds patience = for_all ? config_.queue.delay_warning : usual_delay;
    if (journal.envelope.sender.is_null()) return "";
    const auto& deliver_by = journal.envelope.parameters.scheduling.deliver_by;
    const bool is_late = deliver_by && now >= deliver_by->at;  // RFC 2852 section 4: by-mode N
    const bool takes_long = now - journal.envelope.deliverable_since() >= patience.count();
    if (!is_late && !takes_long) return "";
    Entries delays;
    for (std::size_t i = 0; i < journal.recipients.size(); ++i) {
        const RecipientState& state = journal.recipients[i];
        const Notify& notify = journal.envelope.recipients[i].wishes.notify;
        const bool is_wanted = is_late ? !notify.never : notify.delay || (for_all && !notify.is_given());
        if (state.status == Status::waiting && state.attempts > 0 && !state.warned && is_wanted)
            delays.push_back({i, DsnAction::delayed});
    }
    if (delays.empty()) return "";
    const Fd original = original_of(entry);
    const std::string report = queue_report(journal, delays, journal.envelope.sender, original.get());
    for (const auto& delay : delays)
        entry.record_warned(delay.index, report.empty() ? "nobody" : "in " + report);
    return report;
}

std::string Bouncer::report_success(const Journal& journal, int original) {
    if (journal.envelope.sender.is_null()) return "";
    Entries entries = entries_to_report(journal, Status::delivered);
    Journal complete = journal;
    for (const Recipient& expanded : journal.envelope.expanded) {
        // A list that sends its messages anew is where this one ends: RFC 3461 section 5.2.7.1.
        entries.push_back({complete.envelope.recipients.size(),
                           expanded.sender ? DsnAction::delivered : DsnAction::expanded});
        complete.envelope.recipients.push_back(expanded);
        complete.recipients.push_back({.status = Status::delivered, .last = delivered("Expanded")});
    }
    return entries.empty() ? "" : queue_report(complete, entries, journal.envelope.sender, original);
}

std::string Bouncer::report_damage(const std::vector<DamagedMessage>& damaged) {
    const Address postmaster("postmaster", config_.identity.hostname);
    return queue_to(postmaster, "damage", [&](Message& message, const std::string& id) {
        message.append(plain_report({.id = id,
                                     .hostname = config_.identity.hostname,
                                     .to = postmaster,
                                     .subject = "Damaged messages in the queue",
                                     .now = now_unix(),
                                     .is_answer = false},
                                    damage_text(config_.identity.hostname, spool_.directory(), damaged)));
        return MailParameters();
    });
}

std::string Bouncer::queue_report(const Journal& journal, const Entries& entries, const Address& to,
                                  int original) {
    const Envelope& envelope = journal.envelope;
    const UnixTime retry_until = expiry_of(config_, journal, now_unix());
    const bool is_others = to != envelope.sent_by.value_or(envelope.sender);
    return queue_to(to, journal.id, [&](Message& message, const std::string& id) {
        return write_dsn(message, journal,
                         {id, config_.identity.hostname, to, now_unix(), entries, retry_until, is_others},
                         original);
    });
}

Route Bouncer::route_to(const Address& to) {
    if (lookup_ == Lookup::now || !router_.serves(to)) return router_.route(to);
    Route unknown_yet;
    unknown_yet.status = Route::Status::temporary;
    return unknown_yet;
}

/// As a submission, which a pickup worker shows to the filters: a process that makes reports waits for none.
std::string Bouncer::submit_to(const Address& to, const std::string& about, const Writer& write) {
    const std::string id = Spool::new_id();
    Message message(spool_.directory());
    WireEnvelope envelope{Address(), {{to, {{.never = true}, ""}}}, write(message, id)};
    write_drop(spool_.drop_directory(), envelope, message, id);
    log_event(id, "queued", {{"from", "<>"}, {"to", "<" + to.to_string() + ">"}, {"report-on", about}});
    return id;
}

// "" if `to` leads nowhere.
std::string Bouncer::queue_to(const Address& to, const std::string& about, const Writer& write) {
    const Route route = route_to(to);
    if (route.status == Route::Status::unknown) return "";
    if (config_.filters.bounces && !config_.filters.list.empty()) return submit_to(to, about, write);

    const std::string id = Spool::new_id();
    Envelope envelope;
    envelope.arrived = now_unix();
    envelope.origin.protocol = "local";
    envelope.origin.submitter = "report on " + about;
    // There are no notices on what becomes of a report (RFC 3461 section 6.1).
    const RecipientWishes wishes{{.never = true}, ""};
    RecipientCollector recipients;
    if (route.status == Route::Status::temporary)
        recipients.add_unrouted(to, wishes);
    else
        recipients.add(to, route, wishes);
    recipients.move_to(envelope);

    Message message(spool_.directory());
    envelope.parameters = write(message, id);
    { const QueueEntry queued = spool_.commit(id, envelope, message); }
    log_event(id, "queued", {{"from", "<>"}, {"to", "<" + to.to_string() + ">"}, {"report-on", about}});
    return id;
}

}  // namespace postoffice
