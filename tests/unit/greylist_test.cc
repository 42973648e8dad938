// The decisions of the greylist, its entries, and clients that it knows by their mail.
#include <gtest/gtest.h>

#include "greylist_fixture.h"

namespace postoffice {
namespace {

using namespace testing_greylist;

TEST(GreylistDecision, WaitsThenPassesThenStaysKnown) {
    const Config config;
    const auto facts = from("a@far.example");
    auto verdict = judge_greylisted(config.greylist, facts, std::nullopt, noon);
    EXPECT_EQ(verdict.kind, Kind::wait);
    EXPECT_EQ(verdict.seconds, 3600);
    verdict = judge_greylisted(config.greylist, facts, verdict.entry, noon + 600);
    EXPECT_EQ(verdict.kind, Kind::wait);
    EXPECT_EQ(verdict.seconds, 3000);
    EXPECT_EQ(verdict.entry.tries, 2u);
    verdict = judge_greylisted(config.greylist, facts, verdict.entry, noon + 3600);
    EXPECT_EQ(verdict.kind, Kind::pass);
    EXPECT_EQ(verdict.entry.passed, noon + 3600);
    verdict = judge_greylisted(config.greylist, facts, verdict.entry, noon + 3700);
    EXPECT_EQ(verdict.kind, Kind::pass);
    EXPECT_FALSE(verdict.is_changed) << "reading is cheaper than writing";
}

TEST(GreylistDecision, FactorsOfTheWait) {
    const Config config;
    EXPECT_EQ(greylist_delay(config.greylist, from("a@far.example")), 3600);
    EXPECT_EQ(greylist_delay(config.greylist, from("a@far.example", "192.0.2.7", false)), 2 * 3600);
    EXPECT_EQ(greylist_delay(config.greylist, from("")), 4 * 3600);
    EXPECT_EQ(greylist_delay(config.greylist, from("", "192.0.2.7", false)), 5 * 3600);
    EXPECT_EQ(greylist_delay(config.greylist, from("\"a b\"@far.example")), 4 * 3600);
}

TEST(GreylistDecision, TheNullSenderHasTenMinutes) {
    const Config config;
    const auto facts = from("");
    const GreylistEntry entry{noon, noon, 1, 0, false};
    EXPECT_EQ(judge_greylisted(config.greylist, facts, entry, noon + 4 * 3600 - 1).kind, Kind::wait);
    EXPECT_EQ(judge_greylisted(config.greylist, facts, entry, noon + 4 * 3600).kind, Kind::pass);
    EXPECT_EQ(judge_greylisted(config.greylist, facts, entry, noon + 4 * 3600 + 600).kind, Kind::pass);
    const auto late = judge_greylisted(config.greylist, facts, entry, noon + 4 * 3600 + 601);
    EXPECT_EQ(late.kind, Kind::wait);
    EXPECT_EQ(late.seconds, 4 * 3600);
}

TEST(GreylistDecision, BlacklistedIsForEver) {
    GreylistEntry entry;
    entry.is_blacklisted = true;
    EXPECT_EQ(judge_greylisted(Config{}.greylist, from("a@far.example"), entry, noon).kind, Kind::never);
}

TEST(GreylistDecision, AClockSetBackKeepsNobodyOut) {
    const GreylistEntry entry{noon + 1'000'000, noon + 1'000'000, 1, 0, false};
    const auto verdict = judge_greylisted(Config{}.greylist, from("a@far.example"), entry, noon);
    EXPECT_EQ(verdict.seconds, 3600);
}

TEST(GreylistEntries, TextAndBack) {
    const GreylistEntry entry{10, 20, 3, 40, false};
    EXPECT_EQ(entry.text(), "first=10 last=20 tries=3 passed=40");
    const auto read = GreylistEntry::parse(entry.text());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->text(), entry.text());
    EXPECT_TRUE(GreylistEntry::parse("*")->is_blacklisted);
    EXPECT_TRUE(GreylistEntry::parse("2147483647")->is_blacklisted) << "an older version's";
    EXPECT_FALSE(GreylistEntry::parse("1000000000")->is_blacklisted);
    for (const auto bad : {"first", "first=x", "second=1", "first=99999999999999999999", "first=-1"})
        EXPECT_FALSE(GreylistEntry::parse(bad)) << bad;
}

TEST(GreylistKeys, NeighboursAreOne) {
    Config config;
    EXPECT_EQ(greylist_key(config.greylist, from("Bob@Far.Example")), "bob@far.example[192.0.2.0/24]");
    EXPECT_EQ(greylist_key(config.greylist, from("")), "<>[192.0.2.0/24]");
    EXPECT_EQ(greylist_key(config.greylist, from("a@b.example", "2001:db8:1:2:3::4")),
              "a@b.example[2001:db8:1:2::/64]");
    config.greylist.from = true;
    EXPECT_EQ(greylist_key(config.greylist, from("a@b.example")), "a@b.example");
}

TEST_F(GreylistFiles, OneThatCameBackSpeaksForItsNetwork) {
    EXPECT_EQ(consult_greylist(config_.greylist, from("a@far.example"), noon).kind, Kind::wait);
    EXPECT_EQ(consult_greylist(config_.greylist, from("b@far.example"), noon + 10).kind, Kind::wait);
    EXPECT_EQ(consult_greylist(config_.greylist, from("a@far.example", "192.0.2.99"), noon + 3600).kind,
              Kind::pass);
    EXPECT_EQ(consult_greylist(config_.greylist, from("c@other.example", "192.0.2.44"), noon + 3601).kind,
              Kind::pass);
    EXPECT_EQ(consult_greylist(config_.greylist, from("c@other.example", "198.51.100.1"), noon + 3601).kind,
              Kind::wait);
    EXPECT_EQ(consult_greylist(config_.greylist, from("", "192.0.2.44"), noon + 3601).kind, Kind::wait);
}

TEST_F(GreylistFiles, KnownBadMailCostsTheCreditOfItsSender) {
    const auto ask = [&](UnixTime when, const std::string& sender = "a@far.example") {
        return consult_greylist(config_.greylist, from(sender), when).kind;
    };
    EXPECT_EQ(ask(noon), Kind::wait);
    EXPECT_EQ(ask(noon + 3600), Kind::pass);
    forget_greylist_credit(config_.greylist, from("a@far.example"));
    EXPECT_EQ(ask(noon + 3700), Kind::wait) << "and its network vouches for nobody";
    EXPECT_EQ(ask(noon + 3700 + 3600), Kind::pass);

    // Any host can use a name: it must not cost the sender what other hosts have shown.
    config_.greylist.from = true;
    EXPECT_EQ(ask(noon, "b@far.example"), Kind::pass) << "by its network";
    EXPECT_EQ(consult_greylist(config_.greylist, from("c@far.example", "198.51.100.9"), noon).kind,
              Kind::wait);
    forget_greylist_credit(config_.greylist, from("c@far.example", "203.0.113.77"));
    EXPECT_EQ(consult_greylist(config_.greylist, from("c@far.example", "198.51.100.9"), noon + 3600).kind,
              Kind::pass);
}

TEST_F(GreylistFiles, BlacklistsByAddressAndByNetwork) {
    const GreylistStore store(folder_);
    GreylistEntry never;
    never.is_blacklisted = true;
    const auto set = [&](const std::string& key) {
        store.change(key, [&](const auto&) { return std::optional(never); });
    };
    set("bad@far.example");
    set("[198.51.100.0/24]");
    EXPECT_EQ(consult_greylist(config_.greylist, from("Bad@far.example"), noon).kind, Kind::never);
    EXPECT_EQ(consult_greylist(config_.greylist, from("good@far.example", "198.51.100.9"), noon).kind,
              Kind::never);
    EXPECT_EQ(consult_greylist(config_.greylist, from("good@far.example"), noon).kind, Kind::wait);
}

Voucher voucher(bool answer, int& asked) {
    return [answer, &asked] {
        ++asked;
        return answer;
    };
}

TEST_F(GreylistFiles, HostsThatADomainVouchesForAreOne) {
    int asked = 0;
    const Voucher yes = voucher(true, asked);
    const auto consult = [&](const std::string& sender, const std::string& address, UnixTime when) {
        return consult_greylist(config_.greylist, from(sender, address), when, yes).kind;
    };
    EXPECT_EQ(consult("a@far.example", "192.0.2.7", noon), Kind::wait);
    EXPECT_EQ(consult("a@far.example", "198.51.100.7", noon + 3599), Kind::wait);
    EXPECT_EQ(consult("a@far.example", "203.0.113.7", noon + 3600), Kind::pass)
        << "another host, the same wait";
    EXPECT_EQ(consult("b@far.example", "198.51.100.9", noon + 3700), Kind::pass) << "the domain came back";
    EXPECT_EQ(consult("b@other.example", "198.51.100.9", noon + 3700), Kind::wait)
        << "that is another domain";
    EXPECT_EQ(consult("", "198.51.100.9", noon + 3700), Kind::wait);
    EXPECT_FALSE(GreylistStore(folder_).find("a@far.example[192.0.2.0/24]"));
}

TEST_F(GreylistFiles, ADomainIsAskedOnlyForWhoWouldWait) {
    int asked = 0;
    const Voucher no = voucher(false, asked);
    const auto consult = [&](const std::string& sender, UnixTime when) {
        return consult_greylist(config_.greylist, from(sender), when, no).kind;
    };
    EXPECT_EQ(consult("", noon), Kind::wait);
    EXPECT_EQ(asked, 0) << "<> has no domain";
    EXPECT_EQ(consult("a@far.example", noon), Kind::wait);
    EXPECT_EQ(consult("a@far.example", noon + 10), Kind::wait);
    EXPECT_EQ(asked, 2);
    EXPECT_EQ(consult("a@far.example", noon + 3600), Kind::pass);
    EXPECT_EQ(consult("a@far.example", noon + 3601), Kind::pass);
    EXPECT_EQ(consult("b@far.example", noon + 3602), Kind::pass) << "by its network";
    EXPECT_EQ(asked, 2);
}

TEST_F(GreylistFiles, ADomainCanBeBlacklistedForItsOwnHosts) {
    GreylistStore(folder_).change("[far.example]", [](const auto&) { return GreylistEntry::parse("*"); });
    int asked = 0;
    EXPECT_EQ(consult_greylist(config_.greylist, from("a@far.example"), noon, voucher(true, asked)).kind,
              Kind::never);
    EXPECT_EQ(consult_greylist(config_.greylist, from("a@far.example"), noon, voucher(false, asked)).kind,
              Kind::wait);
}

TEST_F(GreylistFiles, APreviewRemembersNothing) {
    EXPECT_EQ(preview_greylist(config_.greylist, from("a@far.example"), noon).kind, Kind::wait);
    EXPECT_EQ(count(), 0u);
    EXPECT_EQ(consult_greylist(config_.greylist, from("a@far.example"), noon).kind, Kind::wait);
    EXPECT_EQ(preview_greylist(config_.greylist, from("a@far.example"), noon + 3600).kind, Kind::pass);
    EXPECT_EQ(GreylistStore(folder_).find("a@far.example[192.0.2.0/24]")->passed, 0);
}

/// A message to these, which the router found to lead to other hosts.
Envelope letter(const std::string& sender, const std::vector<std::string>& recipients) {
    Envelope envelope;
    if (!sender.empty()) envelope.sender = *parse_addr_spec(sender);
    for (const auto& text : recipients) {
        const Address to = *parse_addr_spec(text);
        envelope.recipients.push_back({to, {Destination::Remote{}, to}});
    }
    return envelope;
}

TEST_F(GreylistFiles, WhoWasWrittenToNeedNotWait) {
    config_.greylist.enabled = true;
    note_correspondence(config_.greylist, letter("alice@host.test", {"Pen.Friend@far.example"}), true, noon);
    const auto consult = [&](const std::string& sender, UnixTime when) {
        return consult_greylist(config_.greylist, from(sender, "198.51.100.7"), when).kind;
    };
    EXPECT_EQ(consult("pen.friend@far.example", noon + 1), Kind::pass);
    EXPECT_EQ(consult("pen.friend@far.example", noon + 2), Kind::pass);
    EXPECT_EQ(consult("other@far.example", noon + 2), Kind::wait) << "the address counts, not its host";
    EXPECT_FALSE(GreylistStore(folder_).find("[198.51.100.0/24]")) << "nobody came back yet";
    const auto later = noon + config_.greylist.written.count();
    EXPECT_EQ(consult_greylist(config_.greylist, from("pen.friend@far.example"), later).kind, Kind::pass);
    EXPECT_EQ(
        consult_greylist(config_.greylist, from("pen.friend@far.example", "203.0.113.1"), later + 1).kind,
        Kind::wait);
    EXPECT_EQ(consult("pen.friend@far.example", later + 1), Kind::pass) << "its wait ran meanwhile";

    config_.greylist.written = Seconds(0);
    EXPECT_EQ(
        consult_greylist(config_.greylist, from("pen.friend@far.example", "203.0.113.9"), noon + 3).kind,
        Kind::wait);
}

TEST_F(GreylistFiles, BouncesToWhoReallySentMailNeedNotWait) {
    config_.greylist.enabled = true;
    note_correspondence(config_.greylist, letter("Alice@host.test", {"x@far.example"}), true, noon);
    const auto bounce_to = [&](const std::vector<std::string>& recipients, UnixTime when) {
        GreylistFacts facts = from("", "198.51.100.7");
        facts.recipients = recipients;
        return consult_greylist(config_.greylist, facts, when).kind;
    };
    EXPECT_EQ(bounce_to({"alice@host.test"}, noon + 1), Kind::pass);
    EXPECT_EQ(bounce_to({"alice@host.test"}, noon + 5), Kind::pass);
    EXPECT_EQ(bounce_to({"bob@host.test"}, noon + 1), Kind::wait);
    EXPECT_EQ(bounce_to({"alice@host.test", "bob@host.test"}, noon + 1), Kind::wait) << "all of them";
    EXPECT_EQ(bounce_to({}, noon + 1), Kind::wait);
    const auto end = noon + config_.greylist.bounces.count();
    EXPECT_EQ(bounce_to({"alice@host.test"}, end), Kind::pass);
    EXPECT_EQ(bounce_to({"alice@host.test"}, end + 1), Kind::wait);
    config_.greylist.bounces = Seconds(0);
    EXPECT_EQ(bounce_to({"alice@host.test"}, noon + 1), Kind::wait);
}

TEST_F(GreylistFiles, WhatIsNoLetterOfOurs) {
    config_.greylist.enabled = true;
    note_correspondence(config_.greylist, letter("", {"x@far.example"}), true, noon);
    note_correspondence(config_.greylist, letter("stranger@far.example", {"x@far.example"}), false, noon);
    Envelope local = letter("alice@host.test", {"bob@host.test"});
    local.recipients.front().destination.kind = Destination::Mailbox{};
    note_correspondence(config_.greylist, local, true, noon);
    EXPECT_EQ(count(), 0u);
    config_.greylist.enabled = false;
    note_correspondence(config_.greylist, letter("alice@host.test", {"x@far.example"}), true, noon);
    EXPECT_EQ(count(), 0u);

    // What strangers write to a list bounces to its owner.
    config_.greylist.enabled = true;
    Envelope list = letter("stranger@far.example", {"x@far.example"});
    list.recipients.front().sender = *parse_addr_spec("owner-list@host.test");
    note_correspondence(config_.greylist, list, false, noon);
    EXPECT_TRUE(GreylistStore(folder_).find("from:owner-list@host.test"));
    EXPECT_EQ(count(), 1u);

    config_.greylist.db_dir = "/nowhere/at/all";
    EXPECT_NO_THROW(
        note_correspondence(config_.greylist, letter("alice@host.test", {"x@far.example"}), true, noon));
}

}  // namespace
}  // namespace postoffice
