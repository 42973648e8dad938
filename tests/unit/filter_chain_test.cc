// Filters of a session: what they hear, in which order, and what their answers do to a message.
#include "postoffice/milter/filter_chain.h"

#include <gtest/gtest.h>

#include "../support/fake_filter.h"
#include "filter_chain_fixture.h"
#include "postoffice/base/disk.h"

namespace postoffice {
namespace {

using milter::answer::go_on;
using std::string_literals::operator""s;
using test::FakeFilter;
using test::FilterPeer;
using testing_filters::Session;

const auto willing = [](FilterPeer& peer) {
    peer.agree();
    peer.finish();
};

/// Goes on until the end of the message, where it says what `say` says, and goes on.
FakeFilter::Script at_the_end(std::function<void(FilterPeer&)> say, std::uint32_t flags = 0) {
    return [say, flags](FilterPeer& peer) {
        peer.agree(flags);
        (void)peer.go_on_until('E');
        say(peer);
        peer.say('a');
        peer.finish();
    };
}

std::string index(char number) {
    return "\0\0\0"s + number;
}

TEST(FilterChain, AsksEachStageInOrder) {
    FakeFilter filter({willing});
    Session session({filter.settings()});
    EXPECT_TRUE(session.send().verdict.goes_on());
    session.end();
    const std::vector<std::string> expected = {
        "O...",
        "DCj|mail.example|{daemon_name}|mail.example|",
        "Cclient.example|4\x04\xd2"
        "192.0.2.1|",
        "Hclient.example|",
        "DMi|ID1|{mail_mailer}|smtp|{mail_host}|a.test|{mail_addr}|ann@a.test|",
        "M<ann@a.test>|SIZE=10|",
        "DRi|ID1|{rcpt_mailer}|local|{rcpt_host}|b.test|{rcpt_addr}|bob@b.test|",
        "R<bob@b.test>|",
        "DTi|ID1|",
        "T",
        "DLi|ID1|",
        "LSubject|hello\n world|",
        "LX-Two|2|",
        "DNi|ID1|",
        "N",
        "DBi|ID1|",
        "Bone\r\ntwo\r\n",
        "DEi|ID1|",
        "E",
        "Q",
    };
    std::vector<std::string> heard = filter.heard();
    ASSERT_FALSE(heard.empty());
    heard.front() = "O...";
    EXPECT_EQ(heard, expected);
}

TEST(FilterChain, LeavesOutWhatTheFilterDoesNotWant) {
    FakeFilter filter({[](FilterPeer& peer) {
        peer.agree(milter::flag::no_connect | milter::flag::no_helo | milter::flag::no_body |
                   milter::flag::silent_header | milter::flag::silent_mail);
        (void)peer.next();
        (void)peer.go_on_until('L');  // MAIL, and the fields, get no answer
        while (peer.next().kind == 'L') {
        }
        peer.say(go_on);  // to the end of the header
        peer.finish();
    }});
    Session session({filter.settings()});
    EXPECT_TRUE(session.send().verdict.goes_on());
    session.end();
    for (const std::string& packet : filter.heard()) {
        EXPECT_NE(packet[0], 'C');
        EXPECT_NE(packet[0], 'H');
        EXPECT_NE(packet[0], 'B');
    }
}

TEST(FilterChain, SendsTheMacrosThatAFilterAsksFor) {
    std::string lists;
    milter::append_number(lists, 2);
    milter::append_text(lists, "{client_addr} i nothing");
    FakeFilter filter({[lists](FilterPeer& peer) {
        peer.agree(0, 6, lists);
        peer.finish();
    }});
    Session session({filter.settings()});
    (void)session.send();
    session.end();
    const auto& heard = filter.heard();
    EXPECT_NE(std::find(heard.begin(), heard.end(), "DM{client_addr}|192.0.2.1|i|ID1|"), heard.end());
}

TEST(FilterChain, TellsTheMessageIdAtTheEnd) {
    FakeFilter filter({willing});
    Session session({filter.settings()});
    session.text = "message-id: <1@a.test>\n\nbody\n";
    (void)session.send();
    session.end();
    const auto& heard = filter.heard();
    EXPECT_NE(std::find(heard.begin(), heard.end(), "DEi|ID1|{msg_id}|<1@a.test>|"), heard.end());
}

TEST(FilterChain, ChangesFieldsByTheirPlaceInTheListThatTheFilterSaw) {
    FakeFilter filter({at_the_end([](FilterPeer& peer) {
        peer.say('m', index(1) + "X-A\0\0"s);     // removed
        peer.say('m', index(2) + "x-a\0new\0"s);  // the second one, although the first is gone
        peer.say('i', index(0) + "Top\0above\0"s);
        peer.say('i', index(2) + "Next\0below\0"s);     // behind Top and Received
        peer.say('m', index(9) + "X-Not-There\0v\0"s);  // is added
        peer.say('h', "Last\0one\n two\0"s);
    })});
    Session session({filter.settings()});
    session.text = "Received: by us\nX-A: 1\nX-A: 2\nX-B: 3\n\nbody\n";
    EXPECT_EQ(session.filtered_text(),
              "Top: above\nReceived: by us\nNext: below\nx-a: new\nX-B: 3\nX-Not-There: v\nLast: one\n two\n"
              "\nbody\n");
}

TEST(FilterChain, LetsNoValueBeginAnotherFieldOrTheBody) {
    FakeFilter filter({at_the_end(
        [](FilterPeer& peer) { peer.say('h', "X-A\0one\r\nBcc: eve@e.test\r\n\r\n \nend\r\n\0"s); })});
    Session session({filter.settings()});
    session.text = "X-B: 3\n\nbody\n";
    EXPECT_EQ(session.filtered_text(), "X-B: 3\nX-A: one\n\tBcc: eve@e.test\n\tend\n\nbody\n");
}

TEST(FilterChain, KeepsTheBlanksInFrontOfAValueForFiltersThatWantThem) {
    FakeFilter filter({at_the_end([](FilterPeer& peer) { peer.say('h', "X-C\0\tno blank\0"s); },
                                  milter::flag::leading_space)});
    Session session({filter.settings()});
    session.text = "X-A:bare\nX-B:  two\n\nbody\n";
    EXPECT_EQ(session.filtered_text(), "X-A:bare\nX-B:  two\nX-C:\tno blank\n\nbody\n");
    session.end();
    const auto& heard = filter.heard();
    EXPECT_NE(std::find(heard.begin(), heard.end(), "LX-A|bare|"), heard.end());
    EXPECT_NE(std::find(heard.begin(), heard.end(), "LX-B|  two|"), heard.end());
}

TEST(FilterChain, PutsANewBodyTogetherFromPartsWithOtherChangesBetweenThem) {
    FakeFilter filter({at_the_end([](FilterPeer& peer) {
        peer.say('b', "first\r");
        peer.say('h', "X-A\0b\0"s);
        peer.say('p');
        peer.say('b', "\nsecond");
    })});
    Session session({filter.settings()});
    session.text = "X-B: 3\n\nold\n";
    EXPECT_EQ(session.filtered_text(), "X-B: 3\nX-A: b\n\nfirst\nsecond\n");
}

TEST(FilterChain, ShowsEachFilterWhatThoseBeforeItChanged) {
    FakeFilter first({at_the_end([](FilterPeer& peer) {
        peer.say('h', "X-One\0\x31\0"s);
        peer.say('b', "new\r\n");
    })});
    FakeFilter second({willing});
    Session session({first.settings(), second.settings()});
    (void)session.send();
    session.end();
    const auto& heard = second.heard();
    EXPECT_NE(std::find(heard.begin(), heard.end(), "LX-One|1|"), heard.end());
    EXPECT_NE(std::find(heard.begin(), heard.end(), "Bnew\r\n"), heard.end());
}

/// Adds a field, then refuses the message.
const auto refusing = [](FilterPeer& peer) {
    peer.agree();
    (void)peer.go_on_until('E');
    peer.say('h', "X-Lost\0\x31\0"s);
    peer.say('y', "550 5.7.1 looks like spam\0"s);
    peer.finish();
};

TEST(FilterChain, LetsSpamPassThatIsToBeMarked) {
    FakeFilter first({refusing}), second({willing});
    FilterSettings settings = first.settings();
    settings.refuses_spam = true;
    Session session({settings, second.settings()});
    session.config.access.spam.action = UnwantedMail::Action::accept;
    const FilteredMessage marked = session.send();
    EXPECT_TRUE(marked.verdict.goes_on());
    EXPECT_EQ(marked.unwanted.why, "looks like spam");
    EXPECT_EQ(marked.message, nullptr) << "the changes of this filter do not count";
    session.end();
    const auto& heard = second.heard();
    EXPECT_NE(std::find(heard.begin(), heard.end(), "LX-Two|2|"), heard.end());
}

TEST(FilterChain, RefusesSpamInTheWordsOfTheOption) {
    FakeFilter filter({refusing});
    FilterSettings settings = filter.settings();
    settings.refuses_spam = true;
    Session session({settings});
    session.config.access.spam.why = "no spam here";
    const FilteredMessage result = session.send();
    EXPECT_EQ(result.verdict.reply.line(), "550 5.7.1 no spam here");
    EXPECT_TRUE(result.verdict.is_unwanted);
    EXPECT_FALSE(result.unwanted);
}

TEST(FilterChain, LetsSpamPassAtEachStageAndAsksThisFilterNoMore) {
    for (const char stage : {'C', 'H', 'M', 'R', 'T'}) {
        FakeFilter first({[stage](FilterPeer& peer) {
            peer.agree();
            (void)peer.go_on_until(stage);
            peer.say('r');
            peer.finish();
        }});
        FilterSettings settings = first.settings();
        settings.refuses_spam = true;
        Session session({settings});
        session.config.access.spam.action = UnwantedMail::Action::folder;
        const FilteredMessage marked = session.send();
        EXPECT_TRUE(marked.verdict.goes_on()) << stage;
        EXPECT_EQ(marked.unwanted.why, "Refused by a filter") << stage;
        EXPECT_EQ(marked.unwanted.folder, MailFolder::spam) << stage;
        ASSERT_EQ(marked.verdicts.size(), 1u) << stage;
        session.end();
        for (const std::string& heard : first.heard()) EXPECT_NE(heard[0], 'E') << stage;
    }
}

TEST(FilterChain, CollectsChangesOfTheEnvelope) {
    FakeFilter filter({at_the_end([](FilterPeer& peer) {
        peer.say('+', "<carol@c.test>\0"s);
        peer.say('2', "dave@d.test\0NOTIFY=NEVER\0"s);
        peer.say('-', "<bob@b.test>\0"s);
        peer.say('e', "<>\0RET=HDRS\0"s);
        peer.say('q', "\0"s);
    })});
    Session session({filter.settings()});
    const FilteredMessage result = session.send();
    ASSERT_EQ(result.envelope.recipients.size(), 3u);
    EXPECT_EQ(result.envelope.recipients[0].to.address.to_string(), "carol@c.test");
    EXPECT_TRUE(result.envelope.recipients[1].to.wishes.notify.never);
    EXPECT_FALSE(result.envelope.recipients[2].is_added);
    EXPECT_TRUE(result.envelope.sender->address.is_null());
    EXPECT_EQ(result.envelope.sender->return_part, ReturnPart::headers);
    EXPECT_EQ(result.envelope.hold, "");
    EXPECT_EQ(result.message, nullptr);
}

TEST(FilterChain, IgnoresChangesThatAFilterMayNotMake) {
    FakeFilter filter({at_the_end([](FilterPeer& peer) {
        peer.say('h', "X-A\0b\0"s);
        peer.say('b', "new");
        peer.say('q', "why\0"s);
    })});
    FilterSettings settings = filter.settings();
    settings.changes = {
        .header = true, .body = false, .sender = false, .recipients = false, .quarantine = false};
    Session session({settings});
    session.text = "X-B: 3\n\nold\n";
    const FilteredMessage result = session.send();
    EXPECT_EQ(session.text_of(result), "X-B: 3\nX-A: b\n\nold\n");
    EXPECT_FALSE(result.envelope.hold);
}

TEST(FilterChain, SendsNoMoreOfWhatAFilterSkips) {
    FakeFilter filter({[](FilterPeer& peer) {
        peer.agree();
        (void)peer.go_on_until('B');
        peer.say('s');
        EXPECT_EQ(peer.next().kind, 'E');
        peer.say('c');
        peer.finish();
    }});
    Session session({filter.settings()});
    session.text = "X-B: 3\n\n" + std::string(200'000, 'x') + "\n";
    EXPECT_TRUE(session.send().verdict.goes_on());
}

TEST(FilterChain, CutsALongBodyIntoPartsThatLibmilterTakes) {
    FakeFilter filter({willing});
    Session session({filter.settings()});
    session.text = "X-B: 3\n\n" + std::string(200'000, 'x') + "\n";
    (void)session.send();
    session.end();
    std::string sizes;
    for (const std::string& packet : filter.heard())
        if (packet[0] == 'B') sizes += std::to_string(packet.size() - 1) + " ";
    EXPECT_EQ(sizes, "65535 65535 65535 3397 ");
}

TEST(FilterChain, RefusesAFieldThatNoFilterTakes) {
    FakeFilter filter({willing});
    Session session({filter.settings()});
    session.text = "X-B: " + std::string(61'000, 'x') + "\n\nbody\n";
    EXPECT_EQ(session.send().verdict.reply.code, 552);
}

TEST(FilterChain, SendsSeveralMessagesThroughOneConnection) {
    FakeFilter filter({willing});
    Session session({filter.settings()});
    EXPECT_TRUE(session.send().verdict.goes_on());
    (void)session.mail();
    session.chain->end_message();  // RSET
    EXPECT_TRUE(session.send().verdict.goes_on());
    session.end();
    std::string kinds;
    for (const std::string& packet : filter.heard())
        if (packet[0] != 'D') kinds += packet[0];
    EXPECT_EQ(kinds, "OCHMRTLLNBEMAMRTLLNBEQ");
}

TEST(FilterChain, HearsHeloAgainWhereItIsAnother) {
    FakeFilter filter({willing});
    Session session({filter.settings()});
    (void)session.send();
    session.client.tls = "TLSv1.3 X";
    (void)session.send();
    session.end();
    const auto& heard = filter.heard();
    EXPECT_EQ(std::count(heard.begin(), heard.end(), "Hclient.example|"), 2);
}

TEST(FilterChain, DoesNotConnectForMessagesThatSkipTheFilter) {
    FakeFilter filter({willing});
    Session session({filter.settings()});
    session.is_skipped = true;
    EXPECT_TRUE(session.send().verdict.goes_on());
    session.end();
    EXPECT_TRUE(filter.heard().empty());
}

TEST(FilterChain, RefusesEachMessageOfAClientThatIsRefused) {
    FakeFilter filter({[](FilterPeer& peer) {
        peer.agree();
        (void)peer.next();
        peer.say('y', "554 5.7.1 go away\0"s);
        peer.finish();
    }});
    Session session({filter.settings()});
    EXPECT_EQ(session.mail().reply.line(), "554 5.7.1 go away");
    session.chain->end_message();
    EXPECT_EQ(session.mail().reply.line(), "554 5.7.1 go away");
}

TEST(FilterChain, RefusesOneRecipientAndGoesOn) {
    FakeFilter filter({[](FilterPeer& peer) {
        peer.agree();
        (void)peer.go_on_until('R');
        peer.say('t');
        (void)peer.go_on_until('E');
        peer.say('r');
        peer.finish();
    }});
    Session session({filter.settings()});
    EXPECT_TRUE(session.mail().goes_on());
    EXPECT_EQ(session.recipient().reply.code, 451);
    EXPECT_TRUE(session.recipient().goes_on());
    EXPECT_EQ(session.examine().verdict.reply.code, 550);
}

TEST(FilterChain, TellsOfRefusedRecipientsWhereAFilterWantsToKnow) {
    FakeFilter filter({[](FilterPeer& peer) {
        peer.agree(milter::flag::refused_recipients);
        peer.finish();
    }});
    Session session({filter.settings()});
    (void)session.mail();
    session.chain->refused_recipient(Address("x", "b.test"), "", {550, "5.1.1", "No such user"});
    session.end();
    const auto& heard = filter.heard();
    EXPECT_NE(std::find(heard.begin(), heard.end(),
                        "DRi|ID1|{rcpt_mailer}|error|{rcpt_host}|5.1.1|{rcpt_addr}|550 5.1.1 No such user|"),
              heard.end());
}

TEST(FilterChain, AsksNoMoreAboutAMessageThatAFilterAcceptsOrDiscards) {
    for (const char verdict : {'a', 'd'}) {
        FakeFilter filter({[verdict](FilterPeer& peer) {
            peer.agree();
            (void)peer.go_on_until('M');
            peer.say(verdict);
            EXPECT_EQ(peer.next().kind, 'A');
            peer.finish();
        }});
        Session session({filter.settings()});
        EXPECT_EQ(session.mail().kind,
                  verdict == 'a' ? FilterVerdict::Kind::go_on : FilterVerdict::Kind::discard);
        EXPECT_TRUE(session.recipient().goes_on());
        EXPECT_TRUE(session.examine().verdict.goes_on());
        session.chain->end_message();
        session.end();
    }
}

}  // namespace
}  // namespace postoffice
