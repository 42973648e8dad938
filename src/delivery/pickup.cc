#include "postoffice/delivery/pickup.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "postoffice/base/accounts.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/lock.h"
#include "postoffice/base/log.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/text.h"
#include "postoffice/content/content_check.h"
#include "postoffice/delivery/inbound_services.h"
#include "postoffice/delivery/queue_job.h"
#include "postoffice/policy/correspondents.h"
#include "postoffice/queue/message_builder.h"
#include "postoffice/routing/recipients.h"
#include "postoffice/routing/submitter.h"
#include "submission_filters.h"

namespace postoffice {
namespace {

bool is_removed(int file) {
    struct stat status {};
    if (::fstat(file, &status) != 0) throw_errno("stat drop");
    return status.st_nlink == 0;
}

// No more than was there when it was opened, since the owner may go on writing, and not after a refusal: a
// file of many terabytes may take no room at all.
// False if there is less of it.
bool feed_message(const Drop& drop, MessageBuilder& builder) {
    std::array<char, 65536> block;
    std::uint64_t left = drop.message_size;
    while (left > 0 && !builder.refusal()) {
        const ssize_t n = ::read(drop.file.get(), block.data(), std::min<std::uint64_t>(left, block.size()));
        if (n == 0) return false;
        if (n < 0) {
            if (errno == EINTR) continue;
            throw_errno("read drop");
        }
        builder.feed({block.data(), static_cast<std::size_t>(n)});
        left -= static_cast<std::uint64_t>(n);
    }
    return true;
}

/// The message begins with "Delivered-To: SUBMITTER@host", as forward_message() writes it. The field names
/// the account as well as a warning would.
bool is_sent_on(const Drop& drop, const std::string& submitter, const Config& config) {
    constexpr std::string_view field = "Delivered-To: ";
    std::array<char, 1024> start{};
    const off_t offset = ::lseek(drop.file.get(), 0, SEEK_CUR);
    std::string_view text(start.data(), disk::read_at(drop.file.get(), start, offset));
    if (!text.starts_with(field)) return false;
    const auto address = parse_addr_spec(read_until(text, '\n').substr(field.size()));
    if (!address || !config.identity.is_local_domain(address->domain())) return false;
    std::string_view name = address->local_part();
    const auto end = name.size() > submitter.size() ? submitter.size() : name.size();
    const bool is_whole =
        end == name.size() || config.routing.recipient_delimiter.find(name[end]) != std::string::npos;
    return is_whole && equals_ignoring_case(name.substr(0, end), submitter);
}

}  // namespace

Pickup::Pickup(const Config& config, const Spool& spool, Router& router, Acceptor& acceptor,
               std::function<void(const std::string&)> on_queued)
    : config_(config),
      spool_(spool),
      router_(router),
      acceptor_(acceptor),
      on_queued_(std::move(on_queued)),
      filters_(config.filters.list.empty() ? nullptr : new SubmissionFilters(config, router)) {}

Pickup::~Pickup() = default;

Pickup::Outcome Pickup::pick_up(const std::string& id, StatusWriter& status) try {
    std::optional<Drop> drop;
    try {
        drop = open_drop(spool_.drop_directory(), id, config_.limits.recipients);
    } catch (const FormatError& error) {
        return set_aside(id, error.what());
    }
    if (!drop) return Outcome::taken;
    if (status) status.restrict_to(drop->owner, is_trusted_submitter(config_, drop->owner));
    // Another process may have it: a worker that outlived its runner, or a queue run beside the server.
    if (!try_lock(drop->file.get())) return Outcome::try_again;
    if (is_removed(drop->file.get())) return Outcome::taken;
    // A crash may have fallen between its commit and the removal of the drop.
    const Outcome outcome = spool_.finish_commit(id) ? Outcome::taken : accept_drop(id, *drop, status);
    if (outcome == Outcome::taken) disk::unlink_if_exists(spool_.drop_directory() + "/" + id);
    return outcome;
} catch (const std::exception& error) {
    log_event(id, "submission-deferred", {{"reason", in_plain_words(error)}});
    return Outcome::try_again;
}

/// What is no submission is kept for the admin.
Pickup::Outcome Pickup::set_aside(const std::string& id, const std::string& problem) const {
    log_event(id, "submission-damaged", {{"kept-as", "bad" + id}, {"reason", problem}});
    disk::rename(spool_.drop_directory() + "/" + id, spool_.directory() + "/bad" + id);
    return Outcome::taken;
}

// A submitter may name any sender, unless the site says otherwise; then the mail goes out under the name that
// the kernel knows.
Address Pickup::sender_of(const Drop& drop) const {
    const Address own(login_name(drop.owner), config_.identity.hostname);
    const Address& asked = drop.envelope.sender;
    if (asked.is_null()) return asked;
    if (!config_.submission.untrusted_set_sender && !is_trusted_submitter(config_, drop.owner)) return own;
    return asked.qualified(config_.identity.hostname);
}

std::string Pickup::warning_for(const Drop& drop) const {
    const Address sender = sender_of(drop);
    const std::string submitter = login_name(drop.owner);
    if (is_sent_on(drop, submitter, config_)) return "";
    const bool is_own = equals_ignoring_case(sender.local_part(), submitter) &&
                        config_.identity.is_local_domain(sender.domain());
    if (sender.is_null() || is_own || is_trusted_submitter(config_, drop.owner)) return "";
    return fmt::format("X-Authentication-Warning: {}: {} set sender to <{}> using -f\n",
                       config_.identity.hostname, submitter, printable(sender.to_string()));
}

/// Mail that a delivery file sends on was written elsewhere, and stays as it is.
bool Pickup::is_rewritten(const Drop& drop) const {
    return !config_.routing.canonical.empty() && !is_sent_on(drop, login_name(drop.owner), config_);
}

Envelope Pickup::envelope_of(const Drop& drop) const {
    Envelope envelope;
    envelope.sender = sender_of(drop);
    if (is_rewritten(drop)) envelope.sender = router_.canonical(envelope.sender);
    envelope.parameters = drop.envelope.parameters;
    envelope.arrived = now_unix();
    // sendmail refuses what is later, but the file may come from another program.
    UnixTime& release = envelope.parameters.scheduling.release;
    release = std::min(release, envelope.arrived + config_.queue.future_release.count());
    if (release <= envelope.arrived) release = 0;
    const bool says_more =
        !drop.envelope.handover.protocol.empty() && is_trusted_submitter(config_, drop.owner);
    envelope.origin.protocol = says_more ? drop.envelope.handover.protocol : "local";
    if (says_more) envelope.origin.helo = drop.envelope.handover.host;
    envelope.origin.submitter = fmt::format("uid {} ({})", drop.owner, login_name(drop.owner));
    return envelope;
}

/// Where the recipients of a drop lead. A recipient that cannot be looked up now is queued as it stands.
Pickup::Routed Pickup::route(const Drop& drop) {
    Routed routed{envelope_of(drop), {}, {}};
    routed.refused = routed.accepted;
    RecipientCollector accepted;
    for (const auto& [address, wishes] : drop.envelope.recipients) {
        const Address recipient = address.qualified(config_.identity.hostname);
        const Route route = router_.route(recipient);
        switch (route.status) {
            case Route::Status::accepted:
                accepted.add(recipient, route, wishes);
                break;
            case Route::Status::temporary:
                accepted.add_unrouted(recipient, wishes);
                break;
            case Route::Status::unknown:
                routed.refusal = route.refusal;
                routed.refused.recipients.push_back(
                    {recipient, {Destination::Remote{}, recipient}, {}, wishes});
        }
    }
    accepted.move_to(routed.accepted);
    return routed;
}

Pickup::Outcome Pickup::accept_drop(const std::string& id, Drop& drop, const StatusWriter& status) {
    Routed routed = route(drop);
    Envelope& envelope = routed.accepted;
    Message message(spool_.directory(), config_.queue.minfree);
    const std::string top = warning_for(drop) + received_field(config_.identity.hostname, id, envelope, "");
    AddressRewriter rewritten;
    if (is_rewritten(drop)) rewritten = [this](const Address& address) { return router_.canonical(address); };
    MessageBuilder builder(message,
                           {.hostname = config_.identity.hostname,
                            .id = id,
                            .sender = envelope.sender.to_string(),
                            .size = config_.limits.size,
                            .hops = config_.limits.hops,
                            .rewritten = std::move(rewritten)},
                           top);
    if (!feed_message(drop, builder)) return set_aside(id, "shorter than it was a moment ago");
    envelope.parameters.tls = builder.tls_wish(envelope.parameters.tls);
    if (const auto problem = builder.finish()) return give_up(id, routed, message, *problem, status);
    return filter_and_accept(id, routed, message, status);
}

// The whole submission is refused, or stays where it is.
Pickup::Outcome Pickup::give_up(const std::string& id, Routed& routed, Message& message, const Reply& reply,
                                const StatusWriter& status) {
    if (reply.is_temporary()) {
        log_event(id, "submission-deferred", {{"reason", reply.line()}});
        return Outcome::try_again;
    }
    Envelope& envelope = routed.accepted;
    envelope.recipients.insert(envelope.recipients.end(), routed.refused.recipients.begin(),
                               routed.refused.recipients.end());
    return refuse(id, std::move(envelope), message, reply, status);
}

// The file in drop/ is as it was submitted until the message is queued: after a crash filters see that again.
Pickup::Outcome Pickup::filter_and_accept(const std::string& id, Routed& routed, Message& message,
                                          const StatusWriter& status) {
    CheckedContent unfiltered(message);
    if (!filters_) return accept(id, routed, unfiltered, status);
    auto [verdict, changed, refusal, unwanted] =
        filters_->examine(id, message, routed.accepted, routed.refused);
    if (refusal.is_permanent()) routed.refusal = refusal;
    if (verdict.kind == FilterVerdict::Kind::refuse)
        return give_up(id, routed, message, verdict.reply, status);
    if (verdict.kind == FilterVerdict::Kind::discard) {
        log_event(id, "discarded",
                  {{"from", "<" + routed.accepted.sender.to_string() + ">"},
                   {"submitter", routed.accepted.origin.submitter},
                   {"filter", verdict.filter}});
        return Outcome::taken;
    }
    CheckedContent filtered(changed ? *changed : message, std::move(unwanted));
    return accept(id, routed, filtered, status);
}

Pickup::Outcome Pickup::accept(const std::string& id, Routed& routed, CheckedContent& content,
                               const StatusWriter& status) {
    if (const auto problem = content.check(config_, scanner_, id))
        return give_up(id, routed, content.message(), *problem, status);
    auto& [envelope, refused, refusal] = routed;
    content.mark(config_, envelope);
    if (!refused.recipients.empty()) {
        // Two entries: what is refused is reported by the queue, and must not hold up the rest.
        const std::string other = envelope.recipients.empty() ? id : Spool::new_id();
        Message copy(spool_.directory());
        copy.append_copy_of(content.message());
        if (refuse(other, std::move(refused), copy, refusal, status) == Outcome::try_again)
            return Outcome::try_again;
        if (envelope.recipients.empty()) return Outcome::taken;
    }
    const Reply reply = acceptor_.accept(id, envelope, content.message());
    if (reply.is_positive()) {
        note_correspondence(config_.greylist, envelope, true, now_unix());
        return Outcome::taken;
    }
    if (reply.is_temporary()) return Outcome::try_again;
    return refuse(id, std::move(envelope), content.message(), reply, status);
}

// No client waits for an answer any more: the refusal goes into the queue as a failure, and from there to
// the sender.
Pickup::Outcome Pickup::refuse(const std::string& id, Envelope envelope, Message& message, const Reply& reply,
                               const StatusWriter& status) {
    QueueEntry entry = spool_.commit(id, envelope, message);
    const DeliveryResult result{DeliveryResult::Outcome::failed, reply, ""};
    for (std::size_t i = 0; i < envelope.recipients.size(); ++i) {
        entry.record(i, result);
        status.report_outcome(envelope.recipients[i], result);
    }
    entry.sync();
    log_event(id, "refused",
              {{"from", "<" + envelope.sender.to_string() + ">"},
               {"submitter", envelope.origin.submitter},
               {"reply", reply.line()}});
    { const QueueEntry released = std::move(entry); }
    on_queued_(id);
    return Outcome::taken;
}

int run_pickup_worker(const Config& config, Fd channel, const PickupHandles& handles,
                      const std::function<void(const std::string&)>& show) {
    const QueueNotificationWriter& notifications = handles.notifications;
    const Spool spool(config.queue.dir);
    StatusWriter status;  // of the message at hand
    std::string at_hand;
    bool is_queued = false;
    const auto note = [&](const std::string& id) { is_queued = is_queued || id == at_hand; };
    InboundServices::Settings settings = InboundServices::in_passing(handles.spawner, notifications);
    settings.on_queued = note;
    settings.on_settled = [&](const Recipient& recipient, const DeliveryResult& result) {
        status.report_outcome(recipient, result);
        const bool is_final = result.outcome == DeliveryResult::Outcome::failed;
        show(fmt::format("{}: {}: {}: {}", at_hand, printable(recipient.original.to_string()),
                         is_final ? "failed" : "delivered", printable(result.reply.line())));
    };
    InboundServices services(config, spool, settings);
    Pickup pickup(config, spool, services.router(), services.acceptor(), [&](const std::string& id) {
        (void)notifications.queued(id);
        note(id);
    });
    pickup.set_scanner(handles.scanner);
    while (auto job = receive_struct<PickupJob>(channel.get())) {
        PickupJobDone done;
        done.id = job->value.id;
        at_hand = done.id.str();
        is_queued = false;
        if (job->value.is_awaited != 0) status = StatusWriter::open(spool.drop_directory(), at_hand);
        done.try_again = pickup.pick_up(at_hand, status) == Pickup::Outcome::try_again ? 1 : 0;
        services.close_idle();
        std::vector<int> descriptors;
        if (status && is_queued)
            descriptors.push_back(status.fd());  // the process that delivers it tells more
        done.submitter_sees_all = status.sees_all() ? 1 : 0;
        send_struct(channel.get(), done, descriptors);
        status = StatusWriter();
    }
    return 0;
}

}  // namespace postoffice
