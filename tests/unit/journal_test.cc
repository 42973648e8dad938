#include "postoffice/queue/journal.h"

#include <gtest/gtest.h>

#include "postoffice/base/error.h"
#include "spool_folder.h"

namespace postoffice {
namespace {

using test::envelope_for_two;

std::string event_line(const std::string& event) {
    return "2026-11-21T11:00:00Z " + event + "\n";
}

Journal with_events(const std::string& events) {
    return parse_journal(journal_header("ID1", envelope_for_two()) + events);
}

TEST(Journal, ReadsLikeAStory) {
    EXPECT_EQ(journal_header("ID1", envelope_for_two()),
              "postoffice journal 1\n"
              "id: ID1\n"
              "arrived: 2026-11-21T10:00:05Z\n"
              "protocol: ESMTP\n"
              "client: mx.a.test [192.0.2.7]\n"
              "helo: client.a.test\n"
              "body: 7BIT\n"
              "from: <alice@a.test>\n"
              "to: 1 mailbox bob <bob@b.test>\n"
              "to: 2 remote <carol@c.test> for <list@b.test>\n"
              "end of envelope\n");
}

void expect_round_trip(const Envelope& envelope) {
    const Journal journal = parse_journal(journal_header("ID1", envelope));
    EXPECT_EQ(journal.id, "ID1");
    EXPECT_EQ(journal.envelope.sender, envelope.sender);
    EXPECT_EQ(journal.envelope.parameters.body, envelope.parameters.body);
    EXPECT_EQ(journal.envelope.arrived, envelope.arrived);
    EXPECT_EQ(journal.envelope.origin.protocol, envelope.origin.protocol);
    EXPECT_EQ(journal.envelope.origin.helo, envelope.origin.helo);
    EXPECT_EQ(journal.envelope.origin.client_name, envelope.origin.client_name);
    EXPECT_EQ(journal.envelope.origin.client_address, envelope.origin.client_address);
    EXPECT_EQ(journal.envelope.origin.submitter, envelope.origin.submitter);
    EXPECT_EQ(journal.envelope.folder, envelope.folder);
    EXPECT_EQ(journal.envelope.unwanted, envelope.unwanted);
    ASSERT_EQ(journal.envelope.recipients.size(), envelope.recipients.size());
    ASSERT_EQ(journal.recipients.size(), envelope.recipients.size());
    for (std::size_t i = 0; i < envelope.recipients.size(); ++i) {
        EXPECT_EQ(journal.envelope.recipients[i].original, envelope.recipients[i].original);
        EXPECT_TRUE(journal.envelope.recipients[i].destination == envelope.recipients[i].destination);
    }
}

TEST(Journal, KeepsWhatTheSenderWantsToHear) {
    Envelope envelope = envelope_for_two();
    envelope.parameters.smtputf8 = true;
    envelope.parameters.return_part = ReturnPart::headers;
    envelope.parameters.envelope_id = "QQ+2B";
    envelope.recipients[0].wishes = {*parse_notify("SUCCESS,DELAY"), "rfc822;Bob@b.test"};
    envelope.recipients[1].wishes = {*parse_notify("NEVER"), ""};
    const std::string text = journal_header("ID1", envelope);
    for (const char* line :
         {"\nheader: UTF-8\n", "\nreturn: HDRS\n", "\nenvid: QQ+2B\n",
          "\nto: 1 mailbox bob <bob@b.test> notify SUCCESS,DELAY orcpt rfc822;Bob@b.test\n",
          "\nto: 2 remote <carol@c.test> for <list@b.test> notify NEVER\n"})
        EXPECT_NE(text.find(line), std::string::npos) << line << text;
    const Journal journal = parse_journal(text);
    EXPECT_TRUE(journal.envelope.parameters.smtputf8);
    EXPECT_EQ(journal.envelope.parameters.return_part, ReturnPart::headers);
    EXPECT_EQ(journal.envelope.parameters.envelope_id, "QQ+2B");
    for (std::size_t i = 0; i < 2; ++i)
        EXPECT_EQ(journal.envelope.recipients[i].wishes, envelope.recipients[i].wishes);
}

TEST(Journal, KeepsEachKindOfDestination) {
    Envelope envelope = envelope_for_two();
    const Address vera("vera", "v.test");
    using To = Destination;
    const std::pair<const char*, To::Kind> rows[] = {
        {"mailbox virtual:vera@v.test", To::VirtualMailbox{"vera", "v.test"}},
        {"mailbox vera@v.test", To::Mailbox{"vera@v.test"}},
        {"program alias:list@v.test |a\\x20\\x3cb", To::Program{"a <b", To::InDomainAlias{"list", "v.test"}}},
        {"file alias:list /a\\x20b", To::File{"/a b", To::InHostAlias{"list"}}},
        {"program bob |cat", To::Program{"cat", To::InUserFile{"bob"}}},
        {"instructions bob /home/bob/.qmail", To::Instructions{"/home/bob/.qmail", "bob"}},
        {"remote", To::Remote{}},
        {"discard", To::Discard{}},
        {"unrouted", To::Unrouted{}},
    };
    envelope.recipients.clear();
    for (const auto& [words, kind] : rows) envelope.recipients.push_back({vera, {kind, vera}});
    expect_round_trip(envelope);
    const std::string text = journal_header("ID1", envelope);
    for (const auto& [words, kind] : rows) {
        const std::string line = std::string(" ") + words + " <vera@v.test>\n";
        EXPECT_NE(text.find(line), std::string::npos) << line << text;
    }
}

TEST(Journal, ADestinationThatCannotBeUnderstoodIsAnError) {
    const std::string text = journal_header("ID1", envelope_for_two());
    const std::string good = "to: 1 mailbox bob <bob@b.test>";
    ASSERT_NE(text.find(good), std::string::npos) << text;
    for (const char* bad : {"to: 1 mailbox virtual:bob <bob@b.test>", "to: 1 program bob cat <bob@b.test>",
                            "to: 1 letterbox bob <bob@b.test>", "to: 1 mailbox bob"}) {
        std::string damaged = text;
        damaged.replace(text.find(good), good.size(), bad);
        EXPECT_THROW(parse_journal(damaged), FormatError) << bad;
    }
}

TEST(Journal, KeepsTheAddressThatIsDisclosed) {
    Envelope envelope = envelope_for_two();
    const Address list("list", "b.test"), odd("two  blanks disclosed <x>", "b.test");
    envelope.recipients[0].disclosed = list;
    envelope.recipients[1].disclosed = odd;
    const std::string text = journal_header("ID1", envelope);
    EXPECT_NE(text.find(" disclosed <list@b.test>\n"), std::string::npos) << text;
    const Journal journal = parse_journal(text);
    EXPECT_EQ(journal.envelope.recipients.at(0).disclosed, list);
    EXPECT_EQ(journal.envelope.recipients.at(1).disclosed, odd);
    EXPECT_FALSE(with_events("").envelope.recipients.at(0).disclosed);
    EXPECT_EQ(journal.envelope.recipients.at(1).destination.address,
              envelope.recipients[1].destination.address);
}

TEST(Journal, KeepsUnroutedRecipients) {
    Envelope envelope = envelope_for_two();
    const Address vera("vera", "v.test");
    envelope.recipients = {{vera, {Destination::Unrouted{}, vera}}};
    const Journal journal = parse_journal(journal_header("ID1", envelope));
    EXPECT_TRUE(journal.envelope.recipients.at(0).destination.is<Destination::Unrouted>());
    EXPECT_EQ(journal.envelope.recipients.at(0).original, vera);
}

TEST(Journal, ASuccessThatWasAskedForIsReported) {
    Envelope envelope = envelope_for_two();
    envelope.recipients[0].wishes.notify.success = true;
    const std::string both =
        event_line("delivered 1: 250 2.0.0 ok") + event_line("delivered 2: 250 2.0.0 ok");
    Journal journal = parse_journal(journal_header("ID1", envelope) + both);
    EXPECT_TRUE(journal.is_to_report(0));
    EXPECT_FALSE(journal.is_to_report(1));
    EXPECT_FALSE(journal.is_finished());
    ASSERT_TRUE(apply_journal_event(journal, 0, journal_event::reported(0, "in ID2")));
    EXPECT_TRUE(journal.is_finished());

    envelope.sender = Address();
    EXPECT_TRUE(parse_journal(journal_header("ID1", envelope) + both).is_finished());
}

TEST(Journal, KeepsWhichRecipientsWereWarnedOf) {
    Journal journal = with_events("");
    ASSERT_TRUE(apply_journal_event(journal, 0, journal_event::warned(1, "in ID2")));
    EXPECT_FALSE(journal.recipients[0].warned);
    EXPECT_TRUE(journal.recipients[1].warned);
    EXPECT_FALSE(apply_journal_event(journal, 0, "warned 3: in ID2"));
}

TEST(Journal, KeepsEnvelopes) {
    expect_round_trip(envelope_for_two());
    Envelope local = envelope_for_two();
    local.sender = Address();
    local.folder = MailFolder::spam;
    local.unwanted = "found a virus: \xc3\xa4\n";
    local.origin = {"local", "", "", "", "uid 1000 (bob)"};
    local.parameters.body = Body::eight_bit_mime;
    local.arrived = 5'000'000'000;  // does not fit 32 bits
    expect_round_trip(local);
}

TEST(Journal, ClientTextCannotForgeALine) {
    const std::string evil =
        "x\nend of envelope\n2026-11-21T11:00:00Z delivered 1: 250 2.0.0 ok\n\\n\\x41 [\t<>@: \r\x7f\xff";
    Envelope envelope = envelope_for_two();
    envelope.sender = Address(evil, "a.test");
    envelope.origin = {evil, evil, evil, "2001:db8::1", evil};
    envelope.recipients[0].original = Address(evil, "");
    envelope.recipients[0].destination.kind = Destination::Mailbox{evil};
    envelope.recipients[1].destination.address = Address(evil, "[192.0.2.1]");
    expect_round_trip(envelope);
    const Journal journal = parse_journal(journal_header("ID1", envelope));
    EXPECT_EQ(journal.recipients[0].status, RecipientState::Status::waiting);
    EXPECT_EQ(journal.recipients[0].attempts, 0U);
}

TEST(Journal, AnswersCannotForgeALine) {
    const std::string evil = "no\n2026-11-21T11:00:00Z delivered 2: 250 2.0.0 ok\n\\n: ";
    const DeliveryResult result{
        DeliveryResult::Outcome::deferred, {451, "4.0.0\n", evil}, "mx: [192.0.2.1]:"};
    const Journal journal =
        with_events(event_line(journal_event::result(0, result)) + event_line(journal_event::held(evil)));
    EXPECT_EQ(journal.recipients[1].attempts, 0U);
    EXPECT_EQ(journal.recipients[0].last.reply.text, evil);
    EXPECT_EQ(journal.recipients[0].last.reply.status, "4.0.0\n");
    EXPECT_EQ(journal.recipients[0].last.by, "mx: [192.0.2.1]:");
    EXPECT_EQ(journal.held, evil);
}

TEST(Journal, RemembersOutcomes) {
    const Journal journal =
        with_events(event_line("deferred 1 by mx.b.test [192.0.2.1]: 451 4.2.0 later") +
                    event_line("retry at 2026-11-21T12:00:00Z") +
                    event_line("delivered 1 by mx.b.test [2001:db8::1]: 250 2.0.0 ok: thanks") +
                    event_line("failed 2: 550 - no"));
    EXPECT_EQ(journal.attempts, 1U);
    EXPECT_EQ(journal.next_attempt, parse_rfc3339_utc("2026-11-21T12:00:00Z"));
    const RecipientState& first = journal.recipients[0];
    EXPECT_EQ(first.status, RecipientState::Status::delivered);
    EXPECT_EQ(first.attempts, 2U);
    EXPECT_EQ(first.last.by, "mx.b.test [2001:db8::1]");
    EXPECT_EQ(first.last.reply.code, 250);
    EXPECT_EQ(first.last.reply.status, "2.0.0");
    EXPECT_EQ(first.last.reply.text, "ok: thanks");
    EXPECT_EQ(first.last_attempt, parse_rfc3339_utc("2026-11-21T11:00:00Z"));
    EXPECT_EQ(journal.recipients[1].status, RecipientState::Status::failed);
    EXPECT_EQ(journal.recipients[1].last.reply.status, "");
    EXPECT_EQ(journal.recipients[1].last.by, "");
}

TEST(Journal, IsFinishedWhenAllIsDeliveredOrReported) {
    EXPECT_FALSE(with_events("").is_finished());
    const std::string results =
        event_line("delivered 1: 250 2.0.0 ok") + event_line("failed 2: 550 5.0.0 no");
    EXPECT_FALSE(with_events(results).is_finished());
    EXPECT_TRUE(with_events(results + event_line("reported 2: dsn X")).is_finished());
}

TEST(Journal, DoneStaysDone) {
    const Journal journal =
        with_events(event_line("delivered 1: 250 2.0.0 ok") + event_line("deferred 1: 451 4.0.0 no"));
    EXPECT_EQ(journal.recipients[0].status, RecipientState::Status::delivered);
    EXPECT_EQ(journal.recipients[0].last.reply.code, 250);
}

TEST(Journal, HeldFromTheStartWhereverItsWritingWasCut) {
    Envelope envelope = envelope_for_two();
    for (const char* reason : {"by a filter\nfor a look", ""}) {
        envelope.hold = reason;
        const std::string text = journal_header("ID1", envelope);
        for (std::size_t length = 0; length < text.size(); ++length)
            EXPECT_TRUE(journal_is_unfinished(text.substr(0, length))) << length;
        EXPECT_EQ(parse_journal(text).held, reason);
        EXPECT_FALSE(parse_journal(text + event_line("released")).held);
    }
}

TEST(Journal, KeepsVerdicts) {
    Envelope envelope = envelope_for_two();
    envelope.verdicts = {"filter /run/f: accept, 3 ms, 1 field", "service a:1: PREPEND X: \ny, 2 ms"};
    EXPECT_EQ(parse_journal(journal_header("ID1", envelope)).envelope.verdicts, envelope.verdicts);
}

TEST(Journal, HeldUntilReleased) {
    EXPECT_EQ(with_events(event_line("held by a filter")).held, "by a filter");
    EXPECT_FALSE(with_events(event_line("held by a filter") + event_line("released")).held);
}

TEST(Journal, LastLineWithoutNewlineIsIgnored) {
    EXPECT_EQ(with_events("2026-11-21T11:00:00Z delivered 1: 250 2.0.0 o").recipients[0].attempts, 0U);
}

// A full disk cuts off a line, and the next one begins anew behind it.
TEST(Journal, ALineCutShortChangesNoOtherRecipient) {
    Envelope envelope = envelope_for_two();
    for (int i = 0; i < 10; ++i) envelope.recipients.push_back(envelope.recipients.front());
    const std::string header = journal_header("ID1", envelope);
    const DeliveryResult result = failed("5.1.1", "no such user");
    for (const std::string& event : {journal_event::result(11, result), journal_event::reported(11, "in ID2"),
                                     journal_event::warned(11, "in ID2")})
        for (std::size_t cut = 0; cut <= event.size(); ++cut) {
            const Journal journal = parse_journal(header + event_line(event.substr(0, cut)));
            EXPECT_EQ(journal.recipients[0].status, RecipientState::Status::waiting) << event.substr(0, cut);
            EXPECT_FALSE(journal.recipients[0].reported) << event.substr(0, cut);
            EXPECT_FALSE(journal.recipients[0].warned) << event.substr(0, cut);
        }
}

TEST(Journal, ARecipientIsAddedOnce) {
    const Address list("list", "b.test"), dave("dave", "d.test");
    const Recipient added{list, {Destination::Remote{}, dave}, {}, {}};
    const std::string event = journal_event::added(2, added);
    EXPECT_EQ(event, "added 3 remote <dave@d.test> for <list@b.test> end");
    const Journal journal = with_events(event_line(event) + event_line(journal_event::added(3, added)) +
                                        event_line("delivered 3: 250 2.0.0 ok"));
    ASSERT_EQ(journal.recipients.size(), 3U);
    EXPECT_EQ(journal.envelope.recipients[2].original, list);
    EXPECT_EQ(journal.recipients[2].status, RecipientState::Status::delivered);
    for (std::size_t cut = 0; cut < event.size(); ++cut)
        EXPECT_EQ(with_events(event_line(event.substr(0, cut))).recipients.size(), 2U)
            << event.substr(0, cut);
}

TEST(Journal, WhatFailedForAnotherAddressIsAddedAgain) {
    const Recipient bob = envelope_for_two().recipients.front();
    Recipient for_list = bob;
    for_list.original = Address("list", "b.test");
    const std::string failure = event_line("failed 1: 550 5.1.1 no");
    EXPECT_EQ(with_events(event_line(journal_event::added(2, for_list))).recipients.size(), 2U);
    EXPECT_EQ(with_events(failure + event_line(journal_event::added(2, for_list))).recipients.size(), 3U);
    EXPECT_EQ(with_events(failure + event_line(journal_event::added(2, bob))).recipients.size(), 2U);
}

TEST(Journal, KeepsOtherDestinationsAndTheFirstSender) {
    Envelope envelope = envelope_for_two();
    envelope.sent_by = Address("author", "a.test");
    const Address dave("dave", "d.test");
    envelope.elsewhere.push_back(
        {Address("list", "b.test"), {Destination::Remote{}, dave}, envelope.sent_by, {}});
    const std::string text = journal_header("ID1", envelope);
    EXPECT_NE(text.find("\nelsewhere: remote <dave@d.test> for <list@b.test> sender <author@a.test>\n"),
              text.npos)
        << text;
    const Journal journal = parse_journal(text);
    EXPECT_EQ(journal.envelope.sent_by, envelope.sent_by);
    ASSERT_EQ(journal.envelope.elsewhere.size(), 1U);
    EXPECT_EQ(journal.envelope.elsewhere[0].sender, envelope.sent_by);
    EXPECT_TRUE(leads_there_already(journal, envelope.elsewhere[0]));
}

TEST(Journal, BadEventsAreSkipped) {
    const Journal journal = with_events(
        "\ngarbage\n2026-11-21T11:00:00Z deli\n" + event_line("delivered 3: 250 2.0.0 no such recipient") +
        event_line("delivered 0: 250 2.0.0 counted from 1") + event_line("delivered x: 250 2.0.0 ok") +
        event_line("delivered 1: hello") + event_line("delivered 1") + event_line("retry at noon") +
        event_line("reported 9: x") + event_line("invented 1: y") + std::string("\0\0\0\n", 4) +
        event_line("delivered 2: 250 2.0.0 ok"));
    EXPECT_EQ(journal.recipients[0].attempts, 0U);
    EXPECT_EQ(journal.recipients[1].status, RecipientState::Status::delivered);
    EXPECT_EQ(journal.attempts, 0U);
}

TEST(Journal, EveryCutOfTheEnvelopeIsUnfinished) {
    const std::string header = journal_header("ID1", envelope_for_two());
    for (std::size_t n = 0; n < header.size(); ++n) {
        const auto part = std::string_view(header).substr(0, n);
        EXPECT_TRUE(journal_is_unfinished(part)) << n;
        EXPECT_THROW(parse_journal(part), FormatError) << n;
    }
    EXPECT_FALSE(journal_is_unfinished(header));
}

TEST(Journal, WhatIsNoJournalIsAnError) {
    const auto replaced = [](std::string_view from, std::string_view to) {
        std::string text = journal_header("ID1", envelope_for_two());
        return text.replace(text.find(from), from.size(), to);
    };
    for (const std::string& text :
         {std::string("Fbob\nTalice\n"), std::string(4096, '\0'), replaced("id: ID1\n", ""),
          replaced("from: <alice@a.test>\n", ""), replaced("arrived: 2026-11-21T10:00:05Z\n", ""),
          replaced("body: ", "body: x"), replaced("body: ", "size: 1x\nbody: "),
          replaced("body: ", "\x01\x02\nbody: "), replaced("<alice@a.test>", "alice"),
          replaced("to: 1", "to: 2"), replaced("mailbox", "cellar"), replaced("<bob@b.test>", "<bob@b.test"),
          replaced("2026-11", "2026-13"), replaced("for <list", "or <list"),
          replaced("[192.0.2.7]", "192.0.2.7")}) {
        EXPECT_THROW(parse_journal(text), FormatError) << text;
        EXPECT_FALSE(journal_is_unfinished(text));
    }
}

TEST(Journal, UnknownKeysAreLeftToLaterVersions) {
    std::string text = journal_header("ID1", envelope_for_two());
    text.insert(text.find("from:"), "colour: blue\n");
    EXPECT_EQ(parse_journal(text).recipients.size(), 2U);
}

}  // namespace
}  // namespace postoffice
