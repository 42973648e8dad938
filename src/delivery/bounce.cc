#include "postoffice/delivery/bounce.h"

#include "postoffice/base/log.h"
#include "postoffice/mail/dsn.h"
#include "postoffice/mail/recipients.h"

namespace postoffice {
namespace {

bool is_unreported_failure(const RecipientState& state) {
    return state.status == RecipientState::Status::failed && !state.reported;
}

// Empty if it is lost: then the report says so.
Fd original_of(const QueueEntry& entry) {
    try {
        return entry.open_message();
    } catch (const std::system_error& error) {
        log_event(entry.id(), "message-unreadable", {{"reason", error.what()}});
        return Fd();
    }
}

}  // namespace

Bouncer::Bouncer(const Config& config, const Spool& spool, Router& router)
    : config_(config), spool_(spool), router_(router) {}

std::string Bouncer::report_failures(QueueEntry& entry) {
    const Journal& journal = entry.journal();
    std::vector<std::size_t> failures;
    for (std::size_t i = 0; i < journal.recipients.size(); ++i)
        if (is_unreported_failure(journal.recipients[i])) failures.push_back(i);
    if (failures.empty()) return "";

    const Address postmaster("postmaster", config_.hostname);
    const bool is_report = journal.envelope.sender.is_null();
    const bool was_for_postmaster =
        is_report && journal.envelope.recipients[failures.front()].original == postmaster;

    std::string report;
    if (!is_report) report = queue_report(entry, failures, journal.envelope.sender);
    if (report.empty() && !was_for_postmaster) report = queue_report(entry, failures, postmaster);

    for (const std::size_t i : failures)
        entry.record_reported(i, report.empty() ? "to nobody" : "in " + report);
    if (report.empty())
        log_event(entry.id(), "unreportable", {{"reason", "no sender and no postmaster to tell"}});
    return report;
}

// "" if `to` leads nowhere.
std::string Bouncer::queue_report(const QueueEntry& entry, const std::vector<std::size_t>& failures,
                                  const Address& to) {
    const Route route = router_.route(to);
    if (route.status == Route::Status::unknown) return "";
    if (route.status == Route::Status::temporary)
        throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again),
                                "route " + to.to_string());

    const std::string id = Spool::new_id();
    Envelope envelope;
    envelope.arrived = now_unix();
    envelope.origin.protocol = "local";
    envelope.origin.submitter = "report on " + entry.id();
    RecipientCollector recipients;
    recipients.add(to, route);
    envelope.recipients = recipients.take();

    Message message(spool_.directory());
    const Fd original = original_of(entry);
    envelope.body =
        write_dsn(message, entry.journal(), {id, config_.hostname, to, now_unix(), failures}, original.get());
    { const QueueEntry queued = spool_.commit(id, envelope, message); }
    log_event(id, "queued", {{"from", "<>"}, {"to", "<" + to.to_string() + ">"}, {"report-on", entry.id()}});
    return id;
}

}  // namespace postoffice
