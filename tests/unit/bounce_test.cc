// What senders are told: by the queue, and on the short way, where a message never was in it.
#include "postoffice/delivery/bounce.h"

#include <gtest/gtest.h>

#include "bouncer_fixture.h"
#include "postoffice/delivery/deliver_or_queue.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/delivery/spool_flusher.h"

namespace postoffice {
namespace {

using Outcome = DeliveryResult::Outcome;

/// Mailboxes that do what the test says.
class Mailboxes : public LocalDelivery {
  public:
    std::vector<DeliveryResult> deliver(const std::vector<MailboxDelivery>& deliveries, int) override {
        std::vector<DeliveryResult> results;
        for (const auto& delivery : deliveries)
            results.push_back(delivery.user == "full" ? deferred("4.2.2", "full") : delivered("Delivered"));
        return results;
    }
    DeliveryResult carry_out(const InstructionDelivery&, int) override { return delivered("Done"); }
};

/// Files of users, which a process that serves many does not look at.
class ForbiddenFiles : public UserFiles {
  public:
    UserFile find(const Account& account, const WantedFile&) override {
        ADD_FAILURE() << "looks into the home of " << account.name;
        return {};
    }
    DomainEntry domain_entry(const std::string&, const VirtualDomain& domain, const std::string&) override {
        ADD_FAILURE() << "looks into the files of " << domain.name;
        return {};
    }
    MailboxState virtual_mailbox(const std::string& user, const VirtualDomain&) override {
        ADD_FAILURE() << "asks for the mailbox of " << user;
        return {};
    }
};

class BounceTest : public BouncerFixture {
  protected:
    BounceTest() {
        config_.identity.hostname = "mail.b.test";
        config_.queue.dir = folder_.path();
        envelope_ = test::envelope_for_two();
        envelope_.arrived = now_unix();
    }
    Recipient mailbox(const std::string& user, Notify notify) {
        const Address address(user, "b.test");
        return {address, {Destination::Mailbox{user}, address}, {}, {notify, ""}};
    }
    QueueEntry commit() {
        Message message(folder_.path());
        message.append("Subject: x\n\nText\n");
        return spool_.commit(Spool::new_id(), envelope_, message);
    }
    Reply accept() {
        Message message(folder_.path());
        message.append("Subject: x\n\nText\n");
        return deliver_or_queue_.accept("ID1", envelope_, message);
    }
    std::string text_of(const std::string& id) {
        return disk::read_all(spool_.open_message(id).get(), 1U << 20);
    }

    Mailboxes mailboxes_;
    std::vector<std::string> queued_;
    DeliverOrQueue deliver_or_queue_{spool_, mailboxes_, bouncer_,
                                     [this](const std::string& id) { queued_.push_back(id); }};
    Envelope envelope_;
};

// The runner has everybody's mail: it looks at no file, and asks no agent, of a user who gets a report.
TEST_F(BounceTest, ARunnerLeavesItToTheQueueWhereAReportGoes) {
    config_.identity.local_domains = {"a.test"};
    ForbiddenFiles files;
    Router router(config_, aliases_, users_, files);
    Bouncer bouncer(config_, spool_, router, Bouncer::Lookup::later);
    using Row = std::pair<const char*, Destination::Kind>;
    for (const auto& [sender, kind] :
         {Row{"root@a.test", Destination::Unrouted{}}, Row{"no-such-user@a.test", Destination::Unrouted{}},
          Row{"alice@c.test", Destination::Remote{}}}) {
        envelope_.sender = *parse_addr_spec(sender);
        QueueEntry entry = commit();
        entry.record(0, failed("5.1.1", "no"));
        entry.record(1, failed("5.1.1", "no"));
        const auto reports = bouncer.report(entry, now_unix());
        ASSERT_EQ(reports.size(), 1U) << sender;
        const Recipient recipient = spool_.peek(reports[0])->envelope.recipients.at(0);
        EXPECT_TRUE(recipient.destination.kind == kind) << sender;
        EXPECT_EQ(recipient.original.to_string(), sender);
    }
}

TEST_F(BounceTest, SuccessesAreReportedAtOnceAndOnlyOnce) {
    envelope_.recipients[0].wishes.notify.success = true;
    QueueEntry entry = commit();
    entry.record(0, delivered("Delivered"));
    entry.record(1, deferred("4.4.1", "refused"));
    const auto reports = bouncer_.report(entry, now_unix());
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_NE(text_of(reports[0]).find("Action: delivered"), std::string::npos);
    EXPECT_TRUE(bouncer_.report(entry, now_unix()).empty());
    entry.reload();
    EXPECT_TRUE(entry.journal().recipients[0].reported);
}

TEST_F(BounceTest, WhatTheNextHostTellsOfIsNotToldTwice) {
    envelope_.recipients[1].wishes.notify.success = true;
    QueueEntry entry = commit();
    entry.record(0, delivered("Delivered"));
    entry.record(1, delivered("Queued", "mx.c.test [192.0.2.1]"));
    entry.record_reported(1, "left to mx.c.test [192.0.2.1]");
    EXPECT_TRUE(bouncer_.report(entry, now_unix()).empty());
    EXPECT_TRUE(entry.journal().is_finished());
}

TEST_F(BounceTest, UnwantedReportsOfFailureAreSettled) {
    envelope_.recipients[0].wishes.notify.never = true;
    envelope_.recipients[1].wishes.notify.failure = true;
    QueueEntry entry = commit();
    entry.record(0, failed("5.1.1", "no"));
    entry.record(1, failed("5.1.1", "no"));
    const auto reports = bouncer_.report(entry, now_unix());
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_EQ(text_of(reports[0]).find("bob@b.test"), std::string::npos);
    EXPECT_NE(text_of(reports[0]).find("carol@c.test"), std::string::npos);
    EXPECT_TRUE(entry.journal().is_finished());
    // A report is never to be reported on.
    const auto report = spool_.peek(reports[0]);
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->envelope.sender.is_null());
    EXPECT_TRUE(report->envelope.recipients[0].wishes.notify.never);
}

TEST_F(BounceTest, RequestedNoticesOfDelayAreSentAfterFourHours) {
    envelope_.recipients[0].wishes.notify.delay = true;
    QueueEntry entry = commit();
    const UnixTime arrived = envelope_.arrived;
    EXPECT_TRUE(bouncer_.report(entry, arrived + 4 * 3600).empty()) << "nothing was tried yet";
    for (std::size_t i = 0; i < 2; ++i) entry.record(i, deferred("4.4.1", "refused"));
    EXPECT_TRUE(bouncer_.report(entry, arrived + 4 * 3600 - 1).empty());
    const auto reports = bouncer_.report(entry, arrived + 4 * 3600);
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_EQ(text_of(reports[0]).find("carol@c.test"), std::string::npos);
    EXPECT_TRUE(bouncer_.report(entry, arrived + 9 * 3600).empty());
}

TEST_F(BounceTest, DelaysAreToldToAllIfTheOptionSaysWhen) {
    config_.queue.delay_warning = Seconds(60);
    envelope_.recipients[0].wishes.notify.failure = true;
    QueueEntry entry = commit();
    for (std::size_t i = 0; i < 2; ++i) entry.record(i, deferred("4.4.1", "refused"));
    EXPECT_TRUE(bouncer_.report(entry, envelope_.arrived + 59).empty());
    const auto reports = bouncer_.report(entry, envelope_.arrived + 60);
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_EQ(text_of(reports[0]).find("bob@b.test"), std::string::npos);
}

TEST_F(BounceTest, OnTheShortWayTheNoticeIsTheOnlyThingQueued) {
    envelope_.recipients = {mailbox("bob", {.success = true}), mailbox("al", {})};
    EXPECT_TRUE(accept().is_positive());
    ASSERT_EQ(queued_.size(), 1U);
    const std::string text = text_of(queued_[0]);
    EXPECT_NE(text.find("bob@b.test"), std::string::npos);
    EXPECT_EQ(text.find("al@b.test"), std::string::npos);
    EXPECT_EQ(spool_.scan().size(), 1U);
}

TEST_F(BounceTest, HalfOfTheShortWay) {
    envelope_.recipients = {mailbox("bob", {.success = true}), mailbox("full", {.success = true})};
    EXPECT_TRUE(accept().is_positive());
    ASSERT_EQ(queued_.size(), 2U);  // the notice, and what waits
    const auto waiting = spool_.peek(queued_[1]);
    ASSERT_TRUE(waiting);
    ASSERT_EQ(waiting->envelope.recipients.size(), 1U);
    EXPECT_TRUE(waiting->envelope.recipients[0].wishes.notify.success);
}

TEST_F(BounceTest, WithoutWishesTheShortWayTouchesNoSpool) {
    envelope_.recipients = {mailbox("bob", {}), mailbox("al", {.failure = true})};
    EXPECT_TRUE(accept().is_positive());
    EXPECT_TRUE(spool_.scan().empty());
    envelope_.sender = Address();
    envelope_.recipients = {mailbox("bob", {.success = true})};
    EXPECT_TRUE(accept().is_positive());
    EXPECT_TRUE(spool_.scan().empty());
}

TEST_F(BounceTest, AMessageDeliveredIsAcceptedEvenIfTheNoticeCannotBeStored) {
    envelope_.recipients = {mailbox("bob", {.success = true})};
    Message message(folder_.path());
    message.append("Subject: x\n\nText\n");
    std::filesystem::remove_all(folder_.path());
    EXPECT_TRUE(deliver_or_queue_.accept("ID1", envelope_, message).is_positive());
    EXPECT_TRUE(queued_.empty());
}

TEST_F(BounceTest, AListsPartKeepsNothingOfItsSender) {
    envelope_.parameters.envelope_id = "x";
    envelope_.recipients[0].sender = Address("owner-list", "b.test");
    EXPECT_TRUE(accept().is_positive());
    ASSERT_EQ(queued_.size(), 2U);
    for (const std::string& id : queued_) {
        const auto journal = spool_.peek(id);
        ASSERT_TRUE(journal);
        const bool is_lists = journal->envelope.sender.local_part() == "owner-list";
        EXPECT_EQ(journal->envelope.parameters.envelope_id, is_lists ? "" : "x");
    }
}

TEST_F(BounceTest, FlushingFindsWhatWaitsForADomain) {
    const Pipe pipe = make_queue_notification_pipe();
    SpoolFlusher flusher(spool_, QueueNotificationWriter(pipe.write_end));
    const std::string waiting = commit().id();
    {
        QueueEntry done = commit();
        done.record(1, failed("5.1.1", "no"));
        QueueEntry held = commit();
        held.hold("by hand");
    }
    EXPECT_EQ(flusher.flush("c.test", false), 1U);
    EXPECT_EQ(flusher.flush("test", true), 1U);
    EXPECT_EQ(flusher.flush("test", false), 0U);
    EXPECT_EQ(flusher.flush("b.test", true), 0U);  // a mailbox of this host
    test::write_file(folder_ / "cmDAMAGED", "nonsense\n");
    EXPECT_EQ(flusher.flush(".test", true), 0U);

    std::vector<std::string> heard;
    QueueNotificationReader reader(pipe.read_end);
    EXPECT_TRUE(QueueNotificationWriter(pipe.write_end).queued("NEW1"));
    (void)reader.read(
        [&](const std::string& id, bool schedule_now) { heard.push_back((schedule_now ? "+" : "") + id); });
    EXPECT_EQ(heard, (std::vector<std::string>{"+" + waiting, "+" + waiting, "NEW1"}));
}

}  // namespace
}  // namespace postoffice
