// Filters that do not keep to the protocol: mail goes on unchanged, or is refused, as on-failure= says.
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

/// Half of its changes, and then something else.
FakeFilter::Script after_half_of_its_changes(std::function<void(FilterPeer&)> then) {
    return [then](FilterPeer& peer) {
        peer.agree();
        (void)peer.go_on_until('E');
        peer.say('h', "X-Half\0done\0"s);
        peer.say('b', "half");
        peer.say('+', "<carol@c.test>\0"s);
        then(peer);
    };
}

struct FailureCase {
    std::string name;
    FakeFilter::Script script;
};

const std::vector<FailureCase> failure_cases = {
    {"closes at once", [](FilterPeer&) {}},
    {"says something else than the protocol",
     [](FilterPeer& peer) { peer.say_octets("220 mail.example ESMTP\r\n"); }},
    {"wants an unknown version", [](FilterPeer& peer) { peer.agree(0, 7); }},
    {"wants what was not offered", [](FilterPeer& peer) { peer.agree(0x80000000); }},
    {"wants macros of an unknown stage",
     [](FilterPeer& peer) { peer.agree(0, 6, "\0\0\0\x63j\0"s), peer.finish(); }},
    {"dies inside a packet",
     [](FilterPeer& peer) {
         peer.agree();
         (void)peer.go_on_until('M');
         peer.say_octets("\0\0\0\5h"s);
     }},
    {"says a length of 2^32-1",
     [](FilterPeer& peer) {
         peer.agree();
         (void)peer.go_on_until('R');
         peer.say_octets(
             "\xff\xff\xff\xff"
             "c"s);
         peer.finish();
     }},
    {"changes the message before its end",
     [](FilterPeer& peer) {
         peer.agree();
         (void)peer.go_on_until('T');
         peer.say('h', "X-A\0early\0"s);
         peer.finish();
     }},
    {"refuses with a code of success",
     [](FilterPeer& peer) {
         peer.agree();
         (void)peer.go_on_until('T');
         peer.say('y', "250 2.0.0 yes\0"s);
         peer.finish();
     }},
    {"dies after half of its changes", after_half_of_its_changes([](FilterPeer&) {})},
    {"says nonsense after half of its changes", after_half_of_its_changes([](FilterPeer& peer) {
         peer.say('Z');
         peer.finish();
     })},
    {"names a field that none can have", after_half_of_its_changes([](FilterPeer& peer) {
         peer.say('h', "X A\nBcc\0x\0"s);
         peer.finish();
     })},
    {"names no address", after_half_of_its_changes([](FilterPeer& peer) {
         peer.say('+', "<a@b\r\nX: y>\0"s);
         peer.finish();
     })},
    {"adds ten thousand fields", after_half_of_its_changes([](FilterPeer& peer) {
         for (int i = 0; i < 10'000; ++i) peer.say('h', "X-Many\0one of them\0"s);
         peer.finish();
     })},
};

class FailingFilter : public ::testing::TestWithParam<FailureCase> {};

TEST_P(FailingFilter, LeavesTheMessageAsItWas) {
    FakeFilter filter({GetParam().script});
    Session session({filter.settings()});
    const FilteredMessage result = session.send();
    EXPECT_TRUE(result.verdict.goes_on());
    EXPECT_EQ(session.text_of(result), session.text);
    EXPECT_TRUE(result.envelope.empty());
    EXPECT_EQ(session.chain->failed(), 1u);
}

TEST_P(FailingFilter, RefusesTheMessageWhereThatIsWanted) {
    for (const auto action : {FilterSettings::OnFailure::tempfail, FilterSettings::OnFailure::reject}) {
        FakeFilter filter({GetParam().script});
        FilterSettings settings = filter.settings();
        settings.on_failure = action;
        Session session({settings});
        const int code = action == FilterSettings::OnFailure::tempfail ? 451 : 550;
        EXPECT_EQ(session.send().verdict.reply.code, code);
        EXPECT_EQ(session.send().verdict.reply.code, code) << "it stays failed for the session";
    }
}

TEST(FailingFilters, RefuseAllThatFollowsInTheMessage) {
    FakeFilter filter({[](FilterPeer& peer) {
        peer.agree();
        (void)peer.go_on_until('R');
    }});
    FilterSettings settings = filter.settings();
    settings.on_failure = FilterSettings::OnFailure::tempfail;
    Session session({settings});
    EXPECT_TRUE(session.mail().goes_on());
    for (const auto step : {&Session::recipient, &Session::recipient, &Session::data})
        EXPECT_EQ((session.*step)().reply.code, 451);
    EXPECT_EQ(session.examine().verdict.reply.code, 451);
    EXPECT_TRUE(session.chain->unknown("XYZZY").goes_on());
}

INSTANTIATE_TEST_SUITE_P(All, FailingFilter, ::testing::ValuesIn(failure_cases), [](const auto& one) {
    std::string name = one.param.name;
    for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    return name;
});

TEST(FailingFilters, LeaveTheChangesOfTheOthers) {
    FakeFilter first({[](FilterPeer& peer) {
        peer.agree();
        (void)peer.go_on_until('E');
        peer.say('h', "X-First\0yes\0"s);
        peer.say('c');
        peer.finish();
    }});
    FakeFilter second({after_half_of_its_changes([](FilterPeer&) {})});
    Session session({first.settings(), second.settings()});
    session.text = "X-B: 3\n\nold\n";
    EXPECT_EQ(session.filtered_text(), "X-B: 3\nX-First: yes\n\nold\n");
}

TEST(FailingFilters, HaveOneLimitForAWholeAnswerHoweverItDrips) {
    FakeFilter filter({[](FilterPeer& peer) {
        peer.agree();
        (void)peer.go_on_until('M');
        for (const char octet :
             "\0\0\0\xff"
             "h"s +
                 std::string(200, 'x')) {
            peer.say_octets(std::string_view(&octet, 1));
            (void)::poll(nullptr, 0, 50);
        }
        peer.finish();
    }});
    FilterSettings settings = filter.settings();
    settings.answer_time = Seconds(1);
    Session session({settings});
    EXPECT_TRUE(session.send().verdict.goes_on());
    EXPECT_EQ(session.chain->failed(), 1u);
}

TEST(FailingFilters, GetMoreTimeWhileTheyMakeProgress) {
    FakeFilter filter({[](FilterPeer& peer) {
        peer.agree();
        (void)peer.go_on_until('E');
        for (int i = 0; i < 3; ++i) {
            (void)::poll(nullptr, 0, 600);
            peer.say('p');
        }
        peer.say('r');
        peer.finish();
    }});
    FilterSettings settings = filter.settings();
    settings.message_time = Seconds(1);
    Session session({settings});
    EXPECT_EQ(session.send().verdict.reply.code, 550);
}

TEST(FailingFilters, ThatAreNotThereAreTriedAnewInTheNextSession) {
    FilterSettings settings{.place = {.path = "/nonexistent/filter"}};
    Session session({settings});
    EXPECT_TRUE(session.send().verdict.goes_on());
    EXPECT_EQ(session.chain->states(), std::vector<std::string>{"/nonexistent/filter: failed"});
    FilterChain same_session(session.config, session.resolver, session.chain->failed());
    EXPECT_EQ(same_session.failed(), 1u);
    FilterChain next_session(session.config, session.resolver);
    EXPECT_EQ(next_session.failed(), 0u);
}

}  // namespace
}  // namespace postoffice
