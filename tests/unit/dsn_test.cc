#include "postoffice/queue/dsn.h"

#include <gtest/gtest.h>

#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"
#include "spool_folder.h"

namespace postoffice {
namespace {

using test::envelope_for_two;

constexpr UnixTime arrived = 1795255205;

class DsnTest : public ::testing::Test {
  protected:
    DsnTest() {
        journal_ = parse_journal(journal_header("ID1", envelope_for_two()));
        fail(
            1,
            {DeliveryResult::Outcome::failed, {550, "5.1.1", "No such user\nhere"}, "mx.c.test [192.0.2.1]"});
        request_ = {
            "REPORT1", "mail.b.test", Address("alice", "a.test"), arrived + 90, {{1, DsnAction::failed}}};
    }
    void fail(std::size_t index, const DeliveryResult& result) {
        ASSERT_TRUE(apply_journal_event(journal_, arrived + 60, journal_event::result(index, result)));
    }
    std::string report(std::string_view original, Body expected = Body::seven_bit) {
        Message message(folder_.path());
        const Fd fd = disk::memory_file(original);
        EXPECT_EQ(write_dsn(message, journal_, request_, fd.get()).body, expected);
        return disk::read_all(message.open_for_reading().get(), 1U << 20);
    }
    /// Headers and content between boundaries; the first is the top header with the preamble.
    static std::vector<std::string> parts(const std::string& text) {
        const auto at = text.find("boundary=\"") + 10;
        const std::string delimiter = "\n--" + text.substr(at, text.find('"', at) - at);
        std::vector<std::string> result;
        for (std::size_t start = 0;;) {
            const auto end = text.find(delimiter, start);
            result.push_back(text.substr(start, end == std::string::npos ? end : end - start));
            if (end == std::string::npos) return result;
            start = end + delimiter.size();
        }
    }
    static bool has_line(const std::string& text, const std::string& line) {
        return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
    }

    test::TemporaryFolder folder_;
    Journal journal_;
    DsnRequest request_;
    const std::string original_ =
        "Message-ID: <m1@a.test>\nReferences: <m0@a.test>\nSubject: Hello\n\nText\n";
};

TEST_F(DsnTest, TheHeaderMarksAReport) {
    const std::string top = parts(report(original_))[0];
    for (const char* line :
         {"From: Mail Delivery System <MAILER-DAEMON@mail.b.test>", "To: alice@a.test",
          "Message-ID: <REPORT1@mail.b.test>", "In-Reply-To: <m1@a.test>", "References: <m0@a.test>",
          " <m1@a.test>", "Auto-Submitted: auto-replied", "MIME-Version: 1.0",
          "Content-Type: multipart/report; report-type=delivery-status;"})
        EXPECT_TRUE(has_line(top, line)) << line << "\n" << top;
    EXPECT_TRUE(has_line(top, "Date: " + rfc5322_date(arrived + 90)));
}

TEST_F(DsnTest, PrivateAddressesAreNotNamed) {
    Recipient& recipient = journal_.envelope.recipients[1];
    recipient.disclosed = recipient.original;
    const std::string text = report(original_);
    EXPECT_EQ(text.find("carol@c.test"), std::string::npos) << text;
    EXPECT_EQ(text.find("mx.c.test"), std::string::npos) << text;
    EXPECT_TRUE(has_line(parts(text)[2], "Final-Recipient: rfc822; list@b.test")) << text;
    EXPECT_TRUE(has_line(parts(text)[2], "Diagnostic-Code: smtp; 550 5.1.1 No such mailbox")) << text;
}

TEST_F(DsnTest, TheHostThatSaidTheLastWordIsNamed) {
    journal_ = parse_journal(journal_header("ID1", envelope_for_two()));
    fail(1, {DeliveryResult::Outcome::failed,
             {550, "5.4.7", "not delivered within 5d" + std::string(last_words_mark) + "451 4.7.0 later"},
             "mx.c.test [192.0.2.1]"});
    const auto all = parts(report(original_));
    EXPECT_TRUE(has_line(all[1],
                         "    550 5.4.7 not delivered within 5d:\n    mx.c.test [192.0.2.1] said:\n"
                         "    451 4.7.0 later"))
        << all[1];
    EXPECT_TRUE(has_line(all[2], "Remote-MTA: dns; mx.c.test")) << all[2];
    EXPECT_TRUE(has_line(all[2], "Diagnostic-Code: smtp; 451 4.7.0 later")) << all[2];
}

TEST_F(DsnTest, AReportToAnotherReaderIsAboutAMessage) {
    request_.about_others = true;
    const auto all = parts(report(original_));
    EXPECT_TRUE(has_line(all[0], "Subject: A message could not be delivered")) << all[0];
    EXPECT_EQ(all[1].find("our message"), std::string::npos) << all[1];
}

TEST_F(DsnTest, TheTextNamesRecipientAndReason) {
    const std::string human = parts(report(original_))[1];
    EXPECT_NE(human.find("<list@b.test>, which leads to <carol@c.test>"), std::string::npos) << human;
    EXPECT_NE(human.find("mx.c.test [192.0.2.1] said:\n    550 5.1.1 No such user"), std::string::npos)
        << human;
}

TEST_F(DsnTest, TheStatusFieldsAreForPrograms) {
    const std::string status = parts(report(original_))[2];
    EXPECT_TRUE(
        status.starts_with("\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mail.b.test\n"));
    for (const std::string& line :
         {"Arrival-Date: " + rfc5322_date(arrived), std::string("Original-Recipient: rfc822; list@b.test"),
          std::string("Final-Recipient: rfc822; carol@c.test"), std::string("Action: failed"),
          std::string("Status: 5.1.1"), std::string("Remote-MTA: dns; mx.c.test"),
          "Last-Attempt-Date: " + rfc5322_date(arrived + 60)})
        EXPECT_TRUE(has_line(status, line)) << line << "\n" << status;
    EXPECT_NE(status.find("\nDiagnostic-Code: smtp; 550 5.1.1 No such user"), std::string::npos);
}

TEST_F(DsnTest, OurOwnFailureHasADiagnosticOfThisHost) {
    request_.entries = {{0, DsnAction::failed}};
    fail(0, failed("5.2.1", "Mailbox closed"));
    const std::string status = parts(report(original_))[2];
    EXPECT_TRUE(has_line(status, "Status: 5.2.1"));
    EXPECT_EQ(status.find("Remote-MTA"), std::string::npos);
    EXPECT_TRUE(has_line(status, "Diagnostic-Code: x-postoffice; 550 5.2.1 Mailbox closed")) << status;
    EXPECT_NE(
        parts(report(original_))[1].find("    The mailbox takes no mail.\n    550 5.2.1 Mailbox closed\n"),
        std::string::npos);
}

TEST_F(DsnTest, BlanksInAQuotedLocalPartStay) {
    Recipient& recipient = journal_.envelope.recipients[1];
    recipient.destination.address = Address("two  blanks", "c.test");
    recipient.original = Address("three   blanks", "b.test");
    const std::string status = parts(report(original_))[2];
    EXPECT_TRUE(has_line(status, "Final-Recipient: rfc822; \"two  blanks\"@c.test")) << status;
    EXPECT_TRUE(has_line(status, "Original-Recipient: rfc822; \"three   blanks\"@b.test")) << status;
    recipient.wishes.original_recipient = "rfc822;\"four+20+20+20+20blanks\"@b.test";
    EXPECT_TRUE(
        has_line(parts(report(original_))[2], "Original-Recipient: rfc822; \"four    blanks\"@b.test"));
}

TEST_F(DsnTest, EachRecipientHasItsGroup) {
    request_.entries = {{0, DsnAction::failed}, {1, DsnAction::failed}};
    fail(0, failed("nonsense", "Mailbox closed"));
    const std::string status = parts(report(original_))[2];
    EXPECT_NE(status.find("\n\nOriginal-Recipient: rfc822; bob@b.test\nFinal-Recipient: rfc822; bob@b.test\n"
                          "Action: failed\nStatus: 5.0.0\n"),
              std::string::npos)
        << status;
    EXPECT_NE(status.find("\n\nOriginal-Recipient: rfc822; list@b.test\n"), std::string::npos);
}

TEST_F(DsnTest, TheTextSaysHowLongItWasTried) {
    request_.entries = {{0, DsnAction::failed}};
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(apply_journal_event(journal_, arrived + i * 3600,
                                        journal_event::result(0, deferred("4.4.1", "Connection refused"))));
    ASSERT_TRUE(apply_journal_event(journal_, arrived + 3 * 86400 + 7,
                                    journal_event::result(0, failed("4.4.7", "Delivery time expired"))));
    const auto all = parts(report(original_));
    EXPECT_NE(all[1].find("Tried 4 times in 3d.\n"), std::string::npos) << all[1];
    EXPECT_TRUE(has_line(all[2], "Status: 4.4.7"));
}

TEST_F(DsnTest, SmallMessagesComeBackWhole) {
    EXPECT_EQ(parts(report(original_))[3], "\nContent-Type: message/rfc822\n\n" + original_);
}

TEST_F(DsnTest, OfLargeOnesTheHeader) {
    EXPECT_EQ(parts(report(original_ + std::string(most_returned_octets, 'x')))[3],
              "\nContent-Type: text/rfc822-headers\n\n" + original_.substr(0, original_.find("\n\n") + 1));
    const std::string endless = "A: b\n" + std::string(100'000, 'x');
    EXPECT_EQ(parts(report(endless))[3], "\nContent-Type: text/rfc822-headers\n\nA: b\n");
}

TEST_F(DsnTest, EightBitIsDeclared) {
    const auto all = parts(report("Subject: \xc3\xa4\n\nText\n", Body::eight_bit_mime));
    EXPECT_TRUE(has_line(all[0], "Content-Transfer-Encoding: 8bit"));
    EXPECT_TRUE(has_line(all[3], "Content-Transfer-Encoding: 8bit"));
    EXPECT_EQ(all[1].find("Encoding"), std::string::npos);
}

TEST_F(DsnTest, BoundaryIsInNoPart) {
    const std::string hostile = "A: b\n\n--=_REPORT1\n--=_REPORT1_0--\n";
    const auto all = parts(report(hostile));
    ASSERT_EQ(all.size(), 5U);
    EXPECT_EQ(all[3], "\nContent-Type: message/rfc822\n\n" + hostile);
    EXPECT_EQ(all[4], "--\n");
}

TEST_F(DsnTest, AnUnreadableMessageIsMentioned) {
    Message message(folder_.path());
    EXPECT_EQ(write_dsn(message, journal_, request_, -1).body, Body::seven_bit);
    const auto all = parts(disk::read_all(message.open_for_reading().get(), 1U << 20));
    ASSERT_EQ(all.size(), 4U);
    EXPECT_NE(all[1].find("could not be read any more"), std::string::npos);
}

TEST_F(DsnTest, NamesThatTheSenderGave) {
    journal_.envelope.parameters.envelope_id = "QQ+20314159";
    journal_.envelope.recipients[1].wishes.original_recipient = "rfc822;The+2BList@b.test";
    const std::string status = parts(report(original_))[2];
    EXPECT_NE(status.find("\n\nOriginal-Envelope-Id: QQ 314159\nReporting-MTA: "), std::string::npos)
        << status;
    EXPECT_TRUE(has_line(status, "Original-Recipient: rfc822; The+List@b.test"));
}

TEST_F(DsnTest, AsMuchOfTheMessageAsTheSenderWants) {
    journal_.envelope.parameters.return_part = ReturnPart::headers;
    EXPECT_EQ(parts(report(original_))[3],
              "\nContent-Type: text/rfc822-headers\n\n" + original_.substr(0, original_.find("\n\n") + 1));
    journal_.envelope.parameters.return_part = ReturnPart::full;
    EXPECT_EQ(parts(report(original_))[3], "\nContent-Type: message/rfc822\n\n" + original_);
}

// RFC 3461 section 4.3: with anything but a failure comes the header.
TEST_F(DsnTest, Successes) {
    journal_.envelope.parameters.return_part = ReturnPart::full;
    ASSERT_TRUE(
        apply_journal_event(journal_, arrived + 60, journal_event::result(0, delivered("Delivered"))));
    request_.entries = {{0, DsnAction::delivered}};
    const auto all = parts(report(original_));
    EXPECT_TRUE(has_line(all[0], "Subject: Your message was delivered"));
    EXPECT_TRUE(has_line(all[2], "Action: delivered"));
    EXPECT_TRUE(has_line(all[2], "Status: 2.0.0"));
    EXPECT_NE(all[1].find("has arrived"), std::string::npos);
    EXPECT_NE(all[3].find("text/rfc822-headers"), std::string::npos);
}

TEST_F(DsnTest, PassedOn) {
    journal_.recipients[1] = {};
    ASSERT_TRUE(apply_journal_event(
        journal_, arrived + 60, journal_event::result(1, delivered("Queued as 7", "mx.c.test [192.0.2.1]"))));
    request_.entries = {{1, DsnAction::relayed}, {0, DsnAction::expanded}};
    const auto all = parts(report(original_));
    EXPECT_TRUE(has_line(all[0], "Subject: Your message was passed on"));
    EXPECT_NE(all[2].find("Action: relayed\nStatus: 2.0.0\nRemote-MTA: dns; mx.c.test\n"), std::string::npos);
    EXPECT_TRUE(has_line(all[2], "Action: expanded"));
    EXPECT_NE(all[1].find("passed on to mx.c.test [192.0.2.1]"), std::string::npos) << all[1];
}

TEST_F(DsnTest, Delays) {
    journal_.recipients[0] = {};
    ASSERT_TRUE(apply_journal_event(journal_, arrived + 60,
                                    journal_event::result(0, deferred("4.4.1", "Connection refused"))));
    request_.entries = {{0, DsnAction::delayed}};
    request_.retry_until = arrived + 259200;
    const auto all = parts(report(original_));
    EXPECT_TRUE(has_line(all[0], "Subject: Your message is delayed"));
    EXPECT_TRUE(has_line(all[2], "Action: delayed"));
    EXPECT_TRUE(has_line(all[2], "Status: 4.4.1"));
    EXPECT_TRUE(has_line(all[2], "Will-Retry-Until: " + rfc5322_date(arrived + 259200)));
    EXPECT_NE(all[1].find("You need not send it again"), std::string::npos);
}

// RFC 6533: in ASCII as long as the sender's own address is, else all in UTF-8.
TEST_F(DsnTest, AddressesBeyondAscii) {
    const Address joerg("j\xc3\xb6rg", "c.test");
    journal_.envelope.recipients[1] = {joerg, {Destination::Remote{}, joerg}};
    journal_.envelope.parameters.smtputf8 = true;
    const std::string original = "Subject: \xc3\xb6\n\nText\n";
    const auto ascii = parts(report(original, Body::eight_bit_mime));
    EXPECT_TRUE(has_line(ascii[2], "Final-Recipient: utf-8; j\\x{F6}rg@c.test")) << ascii[2];
    EXPECT_NE(ascii[1].find("charset=utf-8"), std::string::npos);
    EXPECT_NE(ascii[1].find("<j\xc3\xb6rg@c.test>"), std::string::npos);
    EXPECT_NE(ascii[3].find("Content-Type: message/global\n"), std::string::npos);
    EXPECT_TRUE(is_ascii(ascii[0]) && is_ascii(ascii[2]));

    request_.to = Address("\xc3\xa9mile", "a.test");
    const auto utf8 = parts(report(original, Body::eight_bit_mime));
    EXPECT_NE(utf8[2].find("Content-Type: message/global-delivery-status\n"), std::string::npos);
    EXPECT_TRUE(has_line(utf8[2], "Final-Recipient: utf-8; j\xc3\xb6rg@c.test")) << utf8[2];
    EXPECT_TRUE(has_line(utf8[0], "To: \xc3\xa9mile@a.test"));
}

TEST_F(DsnTest, HostileAnswersStayInTheirLine) {
    request_.entries = {{0, DsnAction::failed}};
    fail(0, {DeliveryResult::Outcome::failed,
             {550, "5.1.1\nAction: delivered",
              "no\nAction: delivered\r\n\r\n--=_REPORT1\n\xff\x01" + std::string(5000, 'x')},
             "evil\nStatus: 2.0.0 [192.0.2.1]"});
    const std::string text = report("Message-ID: <m1\n Bcc: x>\n\nText\n");
    EXPECT_EQ(parts(text).size(), 5U);
    const std::string status = parts(text)[2];
    EXPECT_FALSE(has_line(status, "Action: delivered"));
    EXPECT_FALSE(has_line(status, "Status: 2.0.0 [192.0.2.1]"));
    EXPECT_TRUE(has_line(status, "Status: 5.0.0"));
    EXPECT_EQ(text.find("In-Reply-To"), std::string::npos);
    for (const auto line : split(text, '\n')) EXPECT_LE(line.size(), 998U);
}

}  // namespace
}  // namespace postoffice
