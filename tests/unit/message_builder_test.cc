#include "postoffice/queue/message_builder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "postoffice/base/error.h"
#include "spool_folder.h"

namespace postoffice {
namespace {

using test::TemporaryFolder;

MessageBuilder::Settings settings() {
    return {"mail.b.test", "ID1", "alice@a.test", 0, 100};
}

struct Received {
    std::optional<Reply> refusal;
    std::string text;
};

/// Feeds `input` in pieces of `step` octets.
Received receive(std::string_view input, std::size_t step = 1000, MessageBuilder::Settings with = settings(),
                 const std::string& top = "") {
    const TemporaryFolder folder;
    Message message(folder.path());
    MessageBuilder builder(message, std::move(with), top);
    for (std::size_t at = 0; at < input.size(); at += step) builder.feed(input.substr(at, step));
    Received result;
    result.refusal = builder.finish();
    result.text = disk::read_all(message.open_for_reading().get(), 10U << 20);
    return result;
}

const std::string complete = "Date: now\nFrom: a@b\nMessage-ID: <1@b>\n";

TEST(Receiver, LeavesACompleteMessageAlone) {
    const std::string input = complete + "Subject: x\n\tfolded\n\nbody\n\nFrom: here\n";
    for (const std::size_t step : {1U, 2U, 3U, 7U, 1000U}) EXPECT_EQ(receive(input, step).text, input);
}

TEST(Receiver, PutsTopFieldsAboveEverything) {
    EXPECT_EQ(receive(complete + "\nx\n", 5, settings(), "Received: us\n").text,
              "Received: us\n" + complete + "\nx\n");
}

TEST(Receiver, AddsWhatIsMissingAtTheEndOfTheHeader) {
    const std::string text = receive("Subject: x\n\nbody\n", 1).text;
    EXPECT_TRUE(text.starts_with("Subject: x\nDate: "));
    EXPECT_TRUE(text.ends_with("\nFrom: alice@a.test\nMessage-ID: <ID1@mail.b.test>\n\nbody\n"));
}

TEST(Receiver, WithoutSenderMailIsFromTheDaemon) {
    auto with = settings();
    with.sender = "";
    EXPECT_NE(receive("\nbody\n", 100, with).text.find("From: MAILER-DAEMON@mail.b.test\n"),
              std::string::npos);
}

TEST(Receiver, RefusesAHeaderThatIsTooLarge) {
    auto with = settings();
    with.header_size = 1000;
    std::string fields;
    while (fields.size() < 1000) fields += "a: b\n";  // 5 octets each
    for (const std::size_t step : {1U, 7U, 100'000U}) {
        EXPECT_FALSE(receive(fields + "\nbody\n", step, with).refusal);
        const auto refusal = receive(fields + "c: d\n\nbody\n", step, with).refusal;
        ASSERT_TRUE(refusal);
        EXPECT_EQ(refusal->line(), "552 5.3.4 Header larger than 1000 octets");
        const auto one =
            receive("Subject: " + fields.substr(0, 400) + std::string(700, 'x'), step, with).refusal;
        EXPECT_TRUE(one);
    }
}

TEST(Receiver, TheBodyIsNoPartOfTheHeadersSize) {
    auto with = settings();
    with.header_size = 100;
    EXPECT_FALSE(receive("Subject: x\n\n" + std::string(1000, 'y') + "\n", 10, with).refusal);
    EXPECT_FALSE(receive("no field in the first line\n" + std::string(1000, 'y') + "\n", 10, with).refusal);
}

// Our X-Spam says why a message is not wanted: the client's own must not stand in its place.
TEST(Receiver, AnXSpamOfTheClientIsRenamedWhereOursIsDue) {
    auto with = settings();
    with.spam = "listed";
    const std::string input = complete + "X-Spam: no\nx-spam : never\nX-Spam-Level: 0\n\nX-Spam: body\n";
    for (const std::size_t step : {1U, 5U, 1000U})
        EXPECT_EQ(receive(input, step, with).text,
                  complete +
                      "X-Spam-Original: no\nX-Spam-Original: never\nX-Spam-Level: 0\nX-Spam: listed\n" +
                      "\nX-Spam: body\n");
    EXPECT_EQ(receive(input, 1000).text, input) << "nothing is against the message";
}

TEST(Receiver, KnowsFieldsInAnyCaseAndWithBlanksBeforeTheColon) {
    const std::string input = "dAtE : now\nFROM:a@b\nmessage-id\t: <1@b>\n\nx\n";
    EXPECT_EQ(receive(input, 1).text, input);
}

TEST(Receiver, TheLineThatAMailboxHasInFrontIsLeftOut) {
    for (const std::size_t step : {1U, 5U, 1000U}) {
        for (const std::string line :
             {"From a@b Sat Jan  1 00:00:00 2000\n", ">From a@b Sat Jan  1 00:00:00 2000\n", "From a@b\n"})
            EXPECT_EQ(receive(line + complete + "\nFrom here\n", step).text, complete + "\nFrom here\n")
                << step;
        const std::string field = "From  : John <jdoe@example.org>\nDate: now\nMessage-ID: <1@b>\n\nx\n";
        EXPECT_EQ(receive(field, step).text, field);
        EXPECT_EQ(receive(complete + "From here\n", step).text, complete + "\nFrom here\n")
            << "only the first line";
    }
    EXPECT_TRUE(receive("From a@b Sat Jan  1 00:00:00 2000").text.starts_with("Date: "));
}

TEST(Receiver, AddingIsDoneOnce) {
    const std::string once = receive("Subject: x\n\nbody\n").text;
    EXPECT_EQ(receive(once).text, once);
}

TEST(Receiver, FirstLineThatIsNoFieldBeginsTheBody) {
    for (const std::size_t step : {1U, 4U, 1000U}) {
        EXPECT_EQ(receive(complete + "hello there\nmore\n", step).text, complete + "\nhello there\nmore\n");
        EXPECT_EQ(receive(complete + ": no name\n", step).text, complete + "\n: no name\n");
        EXPECT_EQ(receive(complete + "nocolon\n", step).text, complete + "\nnocolon\n");
        EXPECT_EQ(receive(complete + "t\xc3\xa4g: 8-bit name\n", step).text,
                  complete + "\nt\xc3\xa4g: 8-bit name\n");
    }
}

TEST(Receiver, FoldedFirstLineIsNoField) {
    EXPECT_TRUE(
        receive(" Date: folded\n", 1, settings(), "Received: us\n").text.ends_with("\n\n Date: folded\n"));
}

TEST(Receiver, HeaderAloneIsAMessage) {
    EXPECT_EQ(receive(complete).text, complete);
    EXPECT_EQ(receive(complete + "Subject: x", 3).text, complete + "Subject: x\n");
    EXPECT_EQ(receive(complete + "Subject", 3).text, complete + "\nSubject\n");
}

TEST(Receiver, EmptyMessageGetsAHeader) {
    const auto received = receive("");
    EXPECT_FALSE(received.refusal);
    EXPECT_TRUE(received.text.starts_with("Date: "));
}

TEST(Receiver, LastLineGetsItsNewline) {
    EXPECT_EQ(receive(complete + "\nbody", 2).text, complete + "\nbody\n");
}

TEST(Receiver, KeepsNulAndEightBit) {
    const std::string input = complete + "\n" + std::string("a\0b\xff\n", 5);
    EXPECT_EQ(receive(input, 1).text, input);
}

TEST(Receiver, TellsEightBit) {
    const TemporaryFolder folder;
    Message message(folder.path());
    MessageBuilder builder(message, settings(), "");
    builder.feed("Subject: x\n");
    EXPECT_FALSE(builder.has_eight_bit());
    builder.feed("\n\xe4");
    EXPECT_TRUE(builder.has_eight_bit());
}

TEST(Receiver, EndlessNameIsNoField) {
    const std::string name(100'000, 'n');
    EXPECT_EQ(receive(complete + name + ": x\n", 777).text, complete + "\n" + name + ": x\n");
}

TEST(Receiver, EndlessFieldIsStored) {
    const std::string input = complete + "Subject: " + std::string(300'000, 's') + "\n\nx\n";
    EXPECT_EQ(receive(input, 4096).text, input);
}

TEST(Receiver, CountsHops) {
    std::string input;
    for (int i = 0; i < 3; ++i) input += "received : from x\n";
    auto with = settings();
    with.hops = 3;
    EXPECT_FALSE(receive(input + "\n", 10, with).refusal);
    // In the body it is only text.
    EXPECT_FALSE(receive(input + "\nReceived: x\n", 10, with).refusal);
    const auto refusal = receive(input + "Received: x\n\n", 10, with).refusal;
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->code, 554);
    EXPECT_EQ(refusal->status, "5.4.6");
}

TEST(Receiver, LimitsTheSizeAsOnTheWire) {
    auto with = settings();
    with.size = 10;
    EXPECT_FALSE(receive("\n\n1234\n", 1, with).refusal);  // CRLF CRLF 1234 CRLF
    const auto refusal = receive("\n\n12345\n", 1, with).refusal;
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->code, 552);
    EXPECT_EQ(refusal->status, "5.3.4");
}

TEST(Receiver, StoresNothingAfterALimit) {
    auto with = settings();
    with.size = 100;
    const TemporaryFolder folder;
    Message message(folder.path());
    MessageBuilder builder(message, with, "");
    builder.feed("\n");
    builder.feed(std::string(200, 'x'));
    const auto size = message.size();
    builder.feed(std::string(1'000'000, 'x'));
    EXPECT_EQ(message.size(), size);
    EXPECT_EQ(builder.octets(), 1'000'202U);
    EXPECT_TRUE(builder.finish());
}

TEST(Receiver, SpoolThatFailsIsTemporary) {
    Message message("/nonexistent");
    MessageBuilder builder(message, settings(), "");
    builder.feed("\n" + std::string(100'000, 'x'));
    builder.feed("more");
    const auto refusal = builder.finish();
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->code, 451);
    EXPECT_EQ(refusal->status, "4.3.0");
}

TEST(Receiver, FullDiskIsSaidAsSuch) {
    if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
    const TemporaryFolder folder;
    Message message(folder.path());
    MessageBuilder builder(message, settings(), "");
    builder.feed("\n" + std::string(100'000, 'x'));
    // The spilled file becomes a full device under the message's feet.
    const Fd full = disk::open("/dev/full", O_WRONLY);
    for (int fd = 3; fd < 256; ++fd) {
        const auto link = std::filesystem::path("/proc/self/fd") / std::to_string(fd);
        std::error_code error;
        const auto target = std::filesystem::read_symlink(link, error);
        if (!error && target.string().starts_with(folder.path() + "/tm")) {
            ASSERT_GE(::dup2(full.get(), fd), 0);
        }
    }
    builder.feed("more");
    const auto refusal = builder.finish();
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->code, 452);
    EXPECT_EQ(refusal->status, "4.3.1");
}

// The Received field

Envelope envelope_from(const std::string& name, const std::string& address, const std::string& helo) {
    Envelope envelope;
    envelope.origin = {"ESMTP", helo, name, address, ""};
    envelope.arrived = 1795255205;
    return envelope;
}

TEST(ReceivedField, NamesClientServerProtocolAndTime) {
    const auto envelope = envelope_from("mx.a.test", "192.0.2.7", "helo.a.test");
    EXPECT_EQ(received_field("mail.b.test", "ID1", envelope, "bob@b.test"),
              "Received: from helo.a.test (mx.a.test [192.0.2.7])\n"
              "\tby mail.b.test (postoffice) with ESMTP id ID1\n"
              "\tfor <bob@b.test>;\n"
              "\t" +
                  rfc5322_date(1795255205) + "\n");
}

TEST(ReceivedField, HostWithoutNameShowsItsAddressOnly) {
    const auto field =
        received_field("b", "I", envelope_from("unknown", "2001:db8::7", "[IPv6:2001:db8::7]"), "");
    EXPECT_TRUE(field.starts_with("Received: from [IPv6:2001:db8::7] ([IPv6:2001:db8::7])\n\tby b "));
    EXPECT_EQ(field.find("for"), std::string::npos);
}

TEST(ReceivedField, CannotBeForgedByGreeting) {
    const auto field =
        received_field("b", "I", envelope_from("unknown", "192.0.2.7", "x (y)\n\nEvil: 1\r\x01"), "");
    EXPECT_TRUE(field.starts_with("Received: from x??y???Evil:?1?? ([192.0.2.7])\n\tby "));
}

TEST(ReceivedField, LocalSubmissionNamesTheUser) {
    Envelope envelope;
    envelope.origin.protocol = "local";
    envelope.origin.submitter = "uid 1000 (bob)";
    EXPECT_TRUE(received_field("b", "I", envelope, "")
                    .starts_with("Received: by b (postoffice) with local id I\n\t(uid 1000 (bob));\n\t"));
    envelope.origin.submitter = "uid 1000 b)o(b";
    EXPECT_NE(received_field("b", "I", envelope, "").find("(uid 1000 b?o?b)"), std::string::npos);
}

MessageBuilder::Settings settings_that_rewrite() {
    MessageBuilder::Settings with = settings();
    with.rewritten = [](const Address& address) {
        if (address.local_part() == "broken") throw FormatError("table:1: no address");
        return address.domain() == "old.test" ? Address(address.local_part(), "new.test") : address;
    };
    return with;
}

TEST(Receiver, AddressesAreRewrittenInTheHeaderHoweverItIsCut) {
    const std::string input =
        "From: A <a@old.test>\nSubject: a@old.test\nto: b@old.test,\n\tc@far.test, d@old.test\n" + complete +
        "Resent-Cc: e@OLD.test\n\nFrom: a@old.test\n";
    const std::string wanted =
        "From: A <a@new.test>\nSubject: a@old.test\nto: b@new.test,\n\tc@far.test, d@new.test\n" + complete +
        "Resent-Cc: e@new.test\n\nFrom: a@old.test\n";
    for (const std::size_t step : {1U, 2U, 3U, 7U, 1000U})
        EXPECT_EQ(receive(input, step, settings_that_rewrite()).text, wanted);
}

TEST(Receiver, ALastFieldWithoutLineEndIsRewritten) {
    EXPECT_EQ(receive(complete + "To: a@old.test", 1000, settings_that_rewrite()).text,
              complete + "To: a@new.test\n");
    EXPECT_EQ(receive(complete + "To: a@old.test\nno field\n", 1000, settings_that_rewrite()).text,
              complete + "To: a@new.test\n\nno field\n");
}

TEST(Receiver, AFieldThatIsTooLargeToBeRewrittenStays) {
    std::string list = "To: a@old.test";
    while (list.size() < 300000) list += ",\n b@old.test";
    const std::string input = complete + list + "\nCc: a@old.test\n\n";
    for (const std::size_t step : {1000U, 1000000U}) {
        const std::string text = receive(input, step, settings_that_rewrite()).text;
        EXPECT_TRUE(text == complete + list + "\nCc: a@new.test\n\n") << step;
    }
}

TEST(Receiver, AnAddressThatCannotBeRewrittenNowIsRefusedForNow) {
    const Received received = receive(complete + "To: broken@old.test\n\nx\n", 1000, settings_that_rewrite());
    ASSERT_TRUE(received.refusal);
    EXPECT_EQ(received.refusal->code, 451);
    EXPECT_EQ(received.refusal->status, "4.3.5");
}

}  // namespace
}  // namespace postoffice
