#include "postoffice/delivery/deliver_or_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"

namespace postoffice {
namespace {

using Outcome = DeliveryResult::Outcome;

bool all_mailboxes(const Envelope& envelope) {
    return std::all_of(envelope.recipients.begin(), envelope.recipients.end(),
                       [](const Recipient& r) { return r.destination.is_mailbox(); });
}

/// A report stays one, whatever list it comes to: nothing may come of it but an end (RFC 5321 section 4.5.5).
const Address& sender_for(const Recipient& recipient, const Envelope& envelope) {
    return recipient.sender && !envelope.sender.is_null() ? *recipient.sender : envelope.sender;
}

std::string in_brackets(const Address& address) {
    return "<" + address.to_string() + ">";
}

/// What the addresses of `part` lead to besides: a later look at the alias must not send it there once more.
void note_elsewhere(Envelope& part, const Envelope& whole) {
    if (part.recipients.size() == whole.recipients.size()) return;
    std::set<Address> originals;
    std::set<std::string> own;
    for (const Recipient& recipient : part.recipients) {
        originals.insert(recipient.original);
        own.insert(destination_key(recipient.destination));
    }
    for (const Recipient& recipient : whole.recipients)
        if (originals.contains(recipient.original) && !own.contains(destination_key(recipient.destination))) {
            Recipient& other = part.elsewhere.emplace_back(recipient);
            other.wishes = {};
            other.sender = sender_for(recipient, whole);
            if (other.sender == part.sender) other.sender.reset();
        }
}

// A list's messages travel under the list owner's address, so an entry of the queue has one sender: this is
// the part of the envelope that goes out under `sender`.
struct Part {
    Envelope envelope;
    std::vector<DeliveryResult> results;
};

std::vector<Part> split_by_sender(const Envelope& envelope, const std::vector<DeliveryResult>& results) {
    std::vector<Part> parts;
    for (std::size_t i = 0; i < envelope.recipients.size(); ++i) {
        const Recipient& recipient = envelope.recipients[i];
        if (!results.empty() && results[i].outcome == Outcome::delivered) continue;
        const Address& sender = sender_for(recipient, envelope);
        auto part = std::find_if(parts.begin(), parts.end(),
                                 [&](const Part& p) { return p.envelope.sender == sender; });
        if (part == parts.end()) {
            part = parts.insert(parts.end(), Part{envelope, {}});
            part->envelope.sender = sender;
            part->envelope.recipients.clear();
            // A list's message is another one: RFC 3461 section 5.2.7.1.
            if (sender != envelope.sender) {
                part->envelope.sent_by = envelope.sender;
                part->envelope.parameters.envelope_id.clear();
                part->envelope.parameters.return_part = ReturnPart::unspecified;
                part->envelope.parameters.scheduling.deliver_by.reset();
            }
        }
        part->envelope.recipients.push_back(recipient);
        part->envelope.recipients.back().sender.reset();
        if (!results.empty()) part->results.push_back(results[i]);
    }
    for (Part& part : parts) note_elsewhere(part.envelope, envelope);
    return parts;
}

Reply storage_trouble(const std::string& id, const std::system_error& error) {
    log_event(id, "not-stored", {{"reason", error.what()}});
    const int number = error.code().value();
    if (number == ENOSPC || number == EDQUOT) return {452, "4.3.1", "Not enough space here; try again later"};
    return {451, "4.3.0", "This message cannot be stored now; try again later"};
}

}  // namespace

DeliverOrQueue::DeliverOrQueue(const Spool& spool, LocalDelivery& local, Bouncer& bouncer,
                               std::function<void(const std::string&)> on_queued,
                               OnTotalFailure on_total_failure,
                               std::function<void(const Recipient&, const DeliveryResult&)> on_settled)
    : spool_(spool),
      local_(local),
      bouncer_(bouncer),
      on_queued_(std::move(on_queued)),
      on_total_failure_(on_total_failure),
      on_settled_(std::move(on_settled)) {}

Reply DeliverOrQueue::accept(const std::string& id, const Envelope& envelope, Message& message) try {
    if (!envelope.hold && all_mailboxes(envelope) && envelope.deliverable_since() <= now_unix())
        return deliver_now(id, envelope, message);
    Reply reply = queue(id, envelope, message, {});
    send_notices(id, envelope, message, {});  // of the aliases among the recipients
    return reply;
} catch (const std::system_error& error) {
    return storage_trouble(id, error);
} catch (const std::exception& error) {
    log_event(id, "not-accepted", {{"reason", in_plain_words(error)}});
    return {451, "4.3.0", "Something went wrong here; try again later"};
}

Reply DeliverOrQueue::deliver_now(const std::string& id, const Envelope& envelope, Message& message) {
    std::vector<MailboxDelivery> deliveries;
    deliveries.reserve(envelope.recipients.size());
    for (const Recipient& r : envelope.recipients)
        deliveries.push_back(mailbox_delivery(id, r.destination, sender_for(r, envelope), envelope.folder));

    const Fd reader = message.open_for_reading();
    const std::vector<DeliveryResult> results = local_.deliver(deliveries, reader.get());

    const DeliveryResult* deferral = nullptr;
    const DeliveryResult* failure = nullptr;
    std::size_t done = 0;
    for (std::size_t i = 0; i < results.size(); ++i) {
        const DeliveryResult& result = results[i];
        if (on_settled_ && result.outcome != Outcome::deferred) on_settled_(envelope.recipients[i], result);
        if (result.outcome == Outcome::delivered) {
            ++done;
            log_event(id, "delivered",
                      {{"to", in_brackets(envelope.recipients[i].original)},
                       {"from", in_brackets(deliveries[i].sender)},
                       {"client", client_text(envelope.origin)},
                       {"submitter", envelope.origin.submitter},
                       {"mark", mark_of(envelope.folder)},
                       {"user", deliveries[i].user}});
            continue;
        }
        (result.outcome == Outcome::deferred ? deferral : failure) = &result;
        log_event(id, result.outcome == Outcome::deferred ? LogEvent("deferred") : LogEvent("failed"),
                  {{"to", in_brackets(envelope.recipients[i].original)},
                   {"from", in_brackets(deliveries[i].sender)},
                   {"client", client_text(envelope.origin)},
                   {"submitter", envelope.origin.submitter},
                   {"reply", result.reply.line()}});
    }
    if (done > 0) send_notices(id, envelope, message, results);
    if (done == results.size()) return {250, "2.0.0", id + " delivered"};
    // No recipient has it yet: the client keeps it, and gets the reason as its reply instead of a bounce.
    if (done == 0 && on_total_failure_ == OnTotalFailure::refused)
        return deferral != nullptr ? deferral->reply : failure->reply;
    return queue(id, envelope, message, results);
}

// The notices of success for recipients that have the message. The message is accepted even if no notice can
// be queued: the client would send it again, to all recipients.
void DeliverOrQueue::send_notices(const std::string& id, const Envelope& envelope, Message& message,
                                  const std::vector<DeliveryResult>& results) try {
    if (envelope.sender.is_null()) return;
    Journal journal;
    journal.id = id;
    journal.envelope = envelope;
    journal.recipients.resize(envelope.recipients.size());
    bool is_wanted = !envelope.expanded.empty();
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i].outcome != Outcome::delivered) continue;
        journal.recipients[i] = {RecipientState::Status::delivered, 1, results[i], now_unix(), false, false};
        is_wanted = is_wanted || journal.is_to_report(i);
    }
    if (!is_wanted) return;
    const Fd original = message.open_for_reading();
    if (const std::string report = bouncer_.report_success(journal, original.get()); !report.empty())
        on_queued_(report);
} catch (const std::exception& error) {
    log_event(id, "not-notified", {{"to", in_brackets(envelope.sender)}, {"reason", in_plain_words(error)}});
}

Reply DeliverOrQueue::queue(const std::string& id, const Envelope& envelope, Message& message,
                            const std::vector<DeliveryResult>& results) {
    std::vector<QueueEntry> entries;
    try {
        // The parts after the first are copied before the first one takes the message's file.
        std::vector<Part> parts = split_by_sender(envelope, results);
        for (std::size_t n = parts.size(); n-- > 0;) {
            const Part& part = parts[n];
            if (n == 0) {
                entries.push_back(spool_.commit(id, part.envelope, message));
            } else {
                Message copy(spool_.directory());
                copy.append_copy_of(message);
                entries.push_back(spool_.commit(Spool::new_id(), part.envelope, copy));
            }
            QueueEntry& entry = entries.back();
            for (std::size_t i = 0; i < part.results.size(); ++i) entry.record(i, part.results[i]);
            if (!part.results.empty()) entry.sync();
        }
    } catch (...) {
        for (QueueEntry& entry : entries) entry.remove();
        throw;
    }
    std::vector<std::string> ids;
    for (const QueueEntry& entry : entries) {
        ids.push_back(entry.id());
        log_event(entry.id(), "queued",
                  {{"from", in_brackets(entry.journal().envelope.sender)},
                   {"client", client_text(envelope.origin)},
                   {"submitter", envelope.origin.submitter},
                   {"mark", mark_of(envelope.folder)},
                   {"nrcpt", std::to_string(entry.journal().envelope.recipients.size())},
                   {"size", std::to_string(entry.message_size())},
                   {"received-as", entry.id() == id ? "" : id}});
    }
    entries.clear();  // releases the locks: the runner may take them
    for (const std::string& queued : ids) on_queued_(queued);
    return {250, "2.0.0", id + " queued"};
}

}  // namespace postoffice
