// NOTIFY, ORCPT, RET and ENVID of RFC 3461, and what an address leads to does with them.
#include "postoffice/mail/notification.h"

#include <gtest/gtest.h>

#include "postoffice/mail/address.h"
#include "postoffice/routing/recipients.h"

namespace postoffice {
namespace {

TEST(Notify, ReadsAndWrites) {
    for (const char* text :
         {"NEVER", "SUCCESS", "FAILURE", "DELAY", "SUCCESS,FAILURE", "SUCCESS,FAILURE,DELAY"})
        EXPECT_EQ(parse_notify(text)->text(), text);
    EXPECT_EQ(parse_notify("delay,Success")->text(), "SUCCESS,DELAY");
    EXPECT_EQ(parse_notify("FAILURE,FAILURE")->text(), "FAILURE");
    EXPECT_EQ(Notify().text(), "");
    for (const char* text :
         {"", ",", "SUCCESS,", ",SUCCESS", "NEVER,SUCCESS", "SUCCESS,NEVER", "SUCCESS DELAY", "YES"})
        EXPECT_FALSE(parse_notify(text)) << text;
}

TEST(Notify, FailuresAreReportedUnaskedWithoutNotifyOnly) {
    EXPECT_TRUE(Notify().wants_failure());
    EXPECT_TRUE(parse_notify("FAILURE")->wants_failure());
    EXPECT_FALSE(parse_notify("NEVER")->wants_failure());
    EXPECT_FALSE(parse_notify("SUCCESS,DELAY")->wants_failure());
}

TEST(Notify, WithoutSuccessNothingIsNotTheDefault) {
    EXPECT_EQ(parse_notify("SUCCESS")->without_success().text(), "NEVER");
    EXPECT_EQ(parse_notify("SUCCESS,FAILURE")->without_success().text(), "FAILURE");
    EXPECT_EQ(parse_notify("SUCCESS,DELAY")->without_success().text(), "DELAY");
    EXPECT_EQ(parse_notify("NEVER")->without_success().text(), "NEVER");
    EXPECT_EQ(Notify().without_success().text(), "");
}

TEST(Notify, OfTwoWhatEitherWants) {
    const auto both = [](const char* a, const char* b) {
        const auto read = [](std::string_view text) { return text.empty() ? Notify() : *parse_notify(text); };
        EXPECT_EQ(combined(read(a), read(b)), combined(read(b), read(a)));
        return combined(read(a), read(b)).text();
    };
    EXPECT_EQ(both("NEVER", "NEVER"), "NEVER");
    EXPECT_EQ(both("NEVER", ""), "FAILURE");
    EXPECT_EQ(both("NEVER", "SUCCESS"), "SUCCESS");
    EXPECT_EQ(both("", "SUCCESS"), "SUCCESS,FAILURE");
    EXPECT_EQ(both("DELAY", "SUCCESS"), "SUCCESS,DELAY");
    EXPECT_EQ(both("", ""), "");
}

TEST(Xtext, BothWays) {
    EXPECT_EQ(to_xtext("a+b=c d"), "a+2Bb+3Dc+20d");
    for (int octet = 0; octet < 256; ++octet) {
        const std::string text(1, static_cast<char>(octet));
        EXPECT_EQ(from_xtext(to_xtext(text)), text);
    }
    for (const char* bad : {"+", "+2", "a b", "a=b", "+GG", "\x01", "\xc3\xb6", "+ 2"})
        EXPECT_FALSE(from_xtext(bad)) << bad;
}

TEST(Xtext, EnvelopeIdsArePrintable) {
    EXPECT_TRUE(is_envelope_id("QQ314159"));
    EXPECT_TRUE(is_envelope_id("+20"));
    EXPECT_TRUE(is_envelope_id(std::string(100, 'x')));
    for (const std::string& bad : {std::string(), std::string(101, 'x'), std::string("+0A"),
                                   std::string("+7F"), std::string("+C3+B6"), std::string("a b")})
        EXPECT_FALSE(is_envelope_id(bad)) << bad;
}

TEST(OriginalRecipient, IsCheckedAndKeptInAscii) {
    EXPECT_EQ(parse_original_recipient("rfc822;Bob+2Bx@b.test"), "rfc822;Bob+2Bx@b.test");
    EXPECT_EQ(parse_original_recipient("x400;/S=bob"), std::nullopt);
    EXPECT_EQ(parse_original_recipient("x400;/S+3Dbob"), "x400;/S+3Dbob");
    EXPECT_EQ(parse_original_recipient("utf-8;j\xc3\xb6rg@b.test"), "utf-8;j\\x{F6}rg@b.test");
    EXPECT_EQ(parse_original_recipient("utf-8;j\\x{F6}rg@b.test"), "utf-8;j\\x{F6}rg@b.test");
    for (const char* bad : {"", ";", "rfc822", "rfc822;", ";bob", "rfc 822;bob", "rfc822;a+0Ab", "rfc822;a b",
                            "rfc822;j\xc3\xb6rg", "utf-8;j\xf6rg", "utf-8;a\\b", "utf-8;a\\x{}",
                            "utf-8;a\\x{12", "utf-8;a\\x{1234567}", "utf-8;a b", "utf-8;a+b"})
        EXPECT_FALSE(parse_original_recipient(bad)) << bad;
    EXPECT_FALSE(parse_original_recipient("rfc822;" + std::string(2000, 'x')));
}

TEST(OriginalRecipient, OfAnAddress) {
    EXPECT_EQ(original_recipient_of(Address("bob+x", "b.test")), "rfc822;bob+2Bx@b.test");
    EXPECT_EQ(original_recipient_of(Address("j\xc3\xb6rg", "b.test")), "utf-8;j\\x{F6}rg@b.test");
    EXPECT_EQ(original_recipient_text("rfc822;bob+2Bx@b.test"), "rfc822; bob+x@b.test");
    EXPECT_EQ(original_recipient_text("utf-8;j\\x{F6}rg@b.test"), "utf-8; j\\x{F6}rg@b.test");
    for (const char* name : {"a b", "a\"b", "j\xc3\xb6 \"+=rg"})
        EXPECT_TRUE(parse_original_recipient(original_recipient_of(Address(name, "b.test")))) << name;
}

// ---- what a recipient leads to

Route::Hop hop(const std::string& user, const std::string& owner = "") {
    Route::Hop made{{Destination::Mailbox{user}, Address(user, "b.test")}, {}, !owner.empty()};
    if (!owner.empty()) made.sender = Address(owner, "b.test");
    return made;
}

Envelope collected(const std::vector<Route::Hop>& hops, const RecipientWishes& wishes) {
    Route route;
    route.hops = hops;
    RecipientCollector collector;
    collector.add(Address("asked", "b.test"), route, wishes);
    Envelope envelope;
    collector.move_to(envelope);
    return envelope;
}

const RecipientWishes wishes{{.success = true, .delay = true}, "rfc822;Asked@b.test"};

TEST(Wishes, GoOnToTheOnePlaceThatAnAddressLeadsTo) {
    const Envelope envelope = collected({hop("bob")}, wishes);
    EXPECT_EQ(envelope.recipients[0].wishes, wishes);
    EXPECT_TRUE(envelope.expanded.empty());
}

TEST(Wishes, SeveralPlacesAreNotHeardOfEach) {
    const Envelope envelope = collected({hop("bob"), hop("al")}, wishes);
    for (const Recipient& recipient : envelope.recipients) {
        EXPECT_EQ(recipient.wishes.notify.text(), "DELAY");
        EXPECT_EQ(recipient.wishes.original_recipient, "rfc822;Asked@b.test");
    }
    ASSERT_EQ(envelope.expanded.size(), 1U);
    EXPECT_EQ(envelope.expanded[0].destination.address, Address("asked", "b.test"));
    EXPECT_FALSE(envelope.expanded[0].sender);
}

TEST(Wishes, AListIsWhereTheMessageEnds) {
    const Envelope envelope = collected({hop("bob", "owner")}, wishes);
    EXPECT_EQ(envelope.recipients[0].wishes.notify, Notify());
    EXPECT_EQ(envelope.recipients[0].wishes.original_recipient, "rfc822;bob@b.test");
    ASSERT_EQ(envelope.expanded.size(), 1U);
    EXPECT_EQ(envelope.expanded[0].sender, Address("owner", "b.test"));
}

TEST(Wishes, ExpansionsAreReportedOnRequestOnly) {
    EXPECT_TRUE(collected({hop("bob"), hop("al")}, {}).expanded.empty());
    EXPECT_TRUE(collected({hop("bob"), hop("al")}, {*parse_notify("FAILURE"), ""}).expanded.empty());
}

TEST(Wishes, TwoNamesOfOnePlace) {
    RecipientCollector collector;
    Route route;
    route.hops = {hop("bob")};
    collector.add(Address("one", "b.test"), route, {*parse_notify("NEVER"), ""});
    collector.add(Address("two", "b.test"), route, {*parse_notify("SUCCESS"), ""});
    Envelope envelope;
    collector.move_to(envelope);
    ASSERT_EQ(envelope.recipients.size(), 1U);
    EXPECT_EQ(envelope.recipients[0].wishes.notify.text(), "SUCCESS");
}

}  // namespace
}  // namespace postoffice
