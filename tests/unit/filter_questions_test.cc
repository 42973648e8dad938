// Questions that a filter is asked together, and clients that follow each other on one connection: each
// answer stays with its question.
#include <gtest/gtest.h>

#include <algorithm>

#include "../support/fake_filter.h"
#include "filter_chain_fixture.h"
#include "postoffice/milter/kept_connections.h"

namespace postoffice {
namespace {

using milter::answer::go_on;
using test::FakeFilter;
using test::FilterPeer;
using testing_filters::Session;

const auto goes_on_always = [](FilterPeer& peer) {
    peer.agree();
    peer.finish();
};

/// The kinds of all packets but macros, "OCHMRT...".
std::string kinds_heard(FakeFilter& filter) {
    std::string kinds;
    for (const std::string& packet : filter.heard())
        if (packet[0] != 'D') kinds += packet[0];
    return kinds;
}

/// Whole messages of clients that share their connections.
class FollowingClients {
  public:
    explicit FollowingClients(const FakeFilter& filter) : session_({filter.settings()}) {}

    FilterVerdict send() {
        session_.chain = std::make_unique<FilterChain>(session_.config, session_.resolver, 0, &kept_);
        const FilterVerdict verdict = session_.send().verdict;
        states_ = session_.chain->states();
        session_.end();
        return verdict;
    }
    bool has_failed() const { return states_.front().find("failed") != std::string::npos; }
    void leave() { kept_.close_idle(); }

  private:
    Session session_;
    KeptConnections kept_;
    std::vector<std::string> states_;
};

TEST(FilterQuestions, AVerdictBeforeTheLastAnswerCountsAndEndsTheConnection) {
    for (const char kind : {'L', 'N', 'B'}) {
        FakeFilter filter({[kind](FilterPeer& peer) {
                               peer.agree();
                               (void)peer.go_on_until(kind);
                               peer.say('r');
                               peer.finish();  // and answers the rest
                           },
                           goes_on_always});
        Session session({filter.settings()});
        EXPECT_EQ(session.send().verdict.reply.code, 550);
        EXPECT_TRUE(session.send().verdict.goes_on());
        session.end();
        const std::string kinds = kinds_heard(filter);
        EXPECT_EQ(std::count(kinds.begin(), kinds.end(), 'O'), 2) << kinds;
        EXPECT_TRUE(kinds.ends_with("OCHMRTLLNBEQ")) << kinds;
    }
}

TEST(FilterQuestions, AClientAndItsSenderAreOneWriteAndOneWait) {
    FakeFilter filter({[](FilterPeer& peer) {
        peer.agree();
        for (const char kind : {'C', 'H', 'M'})
            if (peer.next().kind != kind) return;
        for (int i = 0; i < 3; ++i) peer.say('c');
        peer.finish();
    }});
    Session session({filter.settings()});
    EXPECT_TRUE(session.send().verdict.goes_on());
    EXPECT_EQ(session.chain->failed(), 0U);
}

TEST(FilterQuestions, AClientThatIsRefusedAtHeloIsNotAskedAboutAgain) {
    FakeFilter filter({[](FilterPeer& peer) {
                           peer.agree();
                           (void)peer.go_on_until('H');
                           peer.say('r');
                           while (peer.next().kind != 0) {
                           }
                       },
                       goes_on_always});
    Session session({filter.settings()});
    for (int i = 0; i < 2; ++i) EXPECT_EQ(session.mail().reply.code, 550);
    session.client.helo = "another.example";
    EXPECT_TRUE(session.mail().goes_on());
    session.end();
    EXPECT_EQ(kinds_heard(filter), "OCHMQOCHMQ");
}

TEST(FilterQuestions, AFilterThatAcceptsWithinTheHeaderHasChangedNothing) {
    FakeFilter filter({[](FilterPeer& peer) {
        peer.agree();
        (void)peer.go_on_until('L');
        peer.say('a');
        while (peer.next().kind != 0) {  // as libmilter does, which ignores what then comes
        }
    }});
    Session session({filter.settings()});
    const FilteredMessage result = session.send();
    EXPECT_TRUE(result.verdict.goes_on());
    EXPECT_EQ(result.message, nullptr);
}

TEST(FilterQuestions, MoreFieldsThanAnswersFitInASocketAreAllHeard) {
    FakeFilter filter({goes_on_always});
    Session session({filter.settings()});
    session.text = "Received: by us\n";
    for (int i = 0; i < 3000; ++i)
        session.text += "X-" + std::to_string(i) + ": " + std::string(300, 'x') + "\n";
    session.text += "\nbody\n";
    EXPECT_TRUE(session.send().verdict.goes_on());
    session.end();
    const std::string kinds = kinds_heard(filter);
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), 'L'), 3000);
}

TEST(FilterQuestions, AnAnswerTooManyIsAFailure) {
    for (const char kind : {'M', 'R', 'T', 'E'}) {  // each is the last one of those that are posed together
        FakeFilter filter({[kind](FilterPeer& peer) {
            peer.agree();
            (void)peer.go_on_until(kind);
            peer.say_octets(std::string("\0\0\0\1c\0\0\0\1c", 10));
            peer.finish();
        }});
        Session session({filter.settings()});
        EXPECT_TRUE(session.send().verdict.goes_on());
        EXPECT_EQ(session.chain->failed(), 1U) << kind;
    }
}

TEST(FilterQuestions, FiltersOfOldVersionsAreNotAskedWhatTheyDoNotKnow) {
    for (const auto& [version, kinds] : {std::pair(2U, "OCHMRLLNBEMAQ"), {3U, "OCHMRLLNBEMUAQ"}}) {
        FakeFilter filter({[version = version](FilterPeer& peer) {
            peer.agree(0, version);
            peer.finish();
        }});
        Session session({filter.settings()});
        EXPECT_TRUE(session.send().verdict.goes_on());
        EXPECT_TRUE(session.mail().goes_on());
        EXPECT_TRUE(session.chain->unknown("XYZZY").goes_on());
        session.chain->end_message();
        session.end();
        EXPECT_EQ(kinds_heard(filter), kinds);
    }
}

TEST(FilterQuestions, ClientsFollowEachOtherOnOneConnection) {
    FakeFilter filter({goes_on_always});
    FollowingClients clients(filter);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(clients.send().goes_on());
    clients.leave();
    EXPECT_EQ(kinds_heard(filter), "OCHMRTLLNBEKCHMRTLLNBEKCHMRTLLNBEKQ");
}

TEST(FilterQuestions, AConnectionEndsWithItsClientWhereLibmilterAllowsNoOther) {
    const auto accepting = [](FilterPeer& peer) {
        peer.agree();
        (void)peer.go_on_until('E');
        peer.say('a');
        peer.finish();
    };
    const auto deaf = [](FilterPeer& peer) {  // would be known to have gone only at MAIL
        peer.agree(milter::flag::no_connect);
        peer.finish();
    };
    FakeFilter filter({accepting, deaf, goes_on_always});
    FollowingClients clients(filter);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(clients.send().goes_on());
    clients.leave();
    EXPECT_EQ(kinds_heard(filter), "OCHMRTLLNBEQOHMRTLLNBEQOCHMRTLLNBEKQ");
}

TEST(FilterQuestions, AFilterThatServesOneClientAloneIsConnectedToAnew) {
    const auto ends = [](FilterPeer& peer) {
        peer.agree();
        (void)peer.go_on_until('K');
    };
    FakeFilter filter({ends, goes_on_always});
    FollowingClients clients(filter);
    for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(clients.send().goes_on());
        EXPECT_FALSE(clients.has_failed());
    }
    clients.leave();
    EXPECT_TRUE(kinds_heard(filter).starts_with("OCHMRTLLNBEKOCHMRTLLNBE")) << kinds_heard(filter);
}

TEST(FilterQuestions, ANulInTheHeaderIsRefusedSinceFiltersWouldNotSeeWhatFollows) {
    FakeFilter filter({goes_on_always});
    Session session({filter.settings()});
    session.text = std::string("Received: by us\nSubject: fine") + '\0' + " but not this\n\nbody\n";
    EXPECT_EQ(session.send().verdict.reply.code, 550);
}

TEST(FilterQuestions, MacrosOfOneMessageAreNotThoseOfTheNext) {
    FakeFilter filter({[](FilterPeer& peer) {
        peer.agree(0, 6, std::string("\0\0\0\2{rcpt_addr} {msg_id}\0", 26));
        peer.finish();
    }});
    Session session({filter.settings()});
    session.text = "Received: by us\nMessage-ID: <1@a.test>\n\nbody\n";
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(session.send().verdict.goes_on());
    session.end();
    for (const std::string& packet : filter.heard()) EXPECT_FALSE(packet.starts_with("DM")) << packet;
}

}  // namespace
}  // namespace postoffice
