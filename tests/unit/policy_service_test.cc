// Policy services: what an answer means, and what a service that misbehaves costs its client.
#include "postoffice/policy/policy_service.h"

#include <gtest/gtest.h>

#include "../support/fake_smtp_server.h"

namespace postoffice {
namespace {

using ActionKind = PolicyAction::Kind;
using test::FakePeer;
using test::FakeServer;

const PolicyAttributes question = {{"request", "smtpd_access_policy"}, {"sender", "a@b.test"}};

/// Reads a question to its end; returns it.
std::string heard(FakePeer& peer) {
    std::string text;
    for (std::string line = peer.line(); !line.empty() && line != "(closed)"; line = peer.line())
        text += line + "\n";
    return text;
}

/// One connection: each question gets the next of these answers.
FakeServer::Script answering_daemon(std::vector<std::string> answers) {
    return [answers = std::move(answers)](FakePeer& peer) {
        for (const std::string& answer : answers) {
            heard(peer);
            peer.say(answer);
        }
    };
}

const Resolver& resolver() {
    static const Resolver none(ResolverSettings{});
    return none;
}

PolicyService at(const FakeServer& server, Seconds timeout = Seconds(20)) {
    PolicyService service;
    service.place = {.host = server.endpoint().address.to_string(), .port = server.endpoint().port};
    service.timeout = timeout;
    return service;
}

/// What one question to a service with this answer leads to.
std::string problem_with(const std::string& answer) {
    FakeServer server({answering_daemon({answer})});
    const PolicyService service = at(server);
    return PolicyClient(service, resolver()).ask(question).problem();
}

TEST(PolicyAction, HasTheMeaningOfAccess5) {
    struct Row {
        std::string text;
        ActionKind kind;
        std::string reply = Reply{}.line();
    };
    const Row rows[] = {
        {"DUNNO", ActionKind::none},
        {"dunno whatever", ActionKind::none},
        {"OK", ActionKind::accept},
        {"permit", ActionKind::accept},
        {"12345", ActionKind::accept},
        {"REJECT", ActionKind::refuse, "554 5.7.1 Access denied"},
        {"reject 5.7.23 SPF fail", ActionKind::refuse, "554 5.7.23 SPF fail"},
        {"REJECT 4.7.1 not of this class", ActionKind::refuse, "554 5.7.1 not of this class"},
        {"DEFER", ActionKind::refuse, "450 4.7.1 Please try again later"},
        {"450 4.7.1 Greylisted", ActionKind::refuse, "450 4.7.1 Greylisted"},
        {"550 5.7.1 no\tthanks", ActionKind::refuse, "550 5.7.1 no?thanks"},
        {"521 go away", ActionKind::refuse, "521 5.7.1 go away"},
        {"554", ActionKind::refuse, "554 5.7.1 Access denied"},
        {"DEFER_IF_PERMIT Greylisted", ActionKind::defer_if_permit, "450 4.7.1 Greylisted"},
        {"DEFER_IF_REJECT later", ActionKind::defer_if_reject, "450 4.7.1 later"},
        {"PREPEND X-Field: value", ActionKind::prepend},
        {"PREPEND no field", ActionKind::not_available},
        {"PREPEND", ActionKind::not_available},
        {"PREPEND Two Words: value", ActionKind::not_available},
        {"DISCARD spam", ActionKind::discard},
        {"WARN strange", ActionKind::warn},
        {"HOLD look at it", ActionKind::hold},
        {"FILTER smtp:[127.0.0.1]", ActionKind::not_available},
        {"reject_unauth_destination", ActionKind::not_available},
        {"650 a number", ActionKind::accept},
    };
    for (const Row& row : rows) {
        const PolicyAction action = parse_policy_action(row.text);
        EXPECT_EQ(action.kind, row.kind) << row.text;
        EXPECT_EQ(action.reply.line(), row.reply) << row.text;
    }
}

TEST(PolicyAction, IsShownWithoutControlCharacters) {
    const PolicyAction action = parse_policy_action("REJECT a\x1b[31mred\r\xc3\xa4");
    EXPECT_EQ(action.reply.text, "a?[31mred???");
    EXPECT_EQ(parse_policy_action("W\x07RN x").word, "W?RN");
}

TEST(PolicyAnswer, NeedsAnActionAndLinesOfItsForm) {
    const auto kind = [](std::string_view text) { return parse_policy_answer(text)->kind; };
    EXPECT_EQ(kind("action=OK\n"), ActionKind::accept);
    EXPECT_EQ(kind("spurious=1\naction=OK\naction=REJECT\n"), ActionKind::accept);
    for (const std::string text : {"", "action=\n", "OK\n", "=x\naction=OK\n", "action\n", "verdict=OK\n"})
        EXPECT_FALSE(parse_policy_answer(text)) << text;
    EXPECT_FALSE(parse_policy_answer(std::string("action=OK\0\n", 11)));
}

TEST(PolicyClient, AsksSeveralTimesOverOneConnection) {
    std::string first;
    FakeServer server({[&](FakePeer& peer) {
        first = heard(peer);
        peer.say("action=DUNNO\n\n");
        heard(peer);
        peer.say("action=REJECT 5.7.1 no\r\n\r\n");
        peer.wait_for_close();
    }});
    const PolicyService service = at(server);
    PolicyClient client(service, resolver());
    EXPECT_EQ(client.ask(question)->kind, ActionKind::none);
    EXPECT_EQ(client.ask(question)->reply.line(), "554 5.7.1 no");
    EXPECT_EQ(first, "request=smtpd_access_policy\nsender=a@b.test\n");
    EXPECT_EQ(server.connections(), 1);
    client.close();
}

TEST(PolicyClient, ReplacesAConnectionThatTheServiceHasClosed) {
    FakeServer server({answering_daemon({"action=OK\n\n"}), answering_daemon({"action=DUNNO\n\n"})});
    const PolicyService service = at(server);
    PolicyClient client(service, resolver());
    EXPECT_EQ(client.ask(question)->kind, ActionKind::accept);
    EXPECT_EQ(client.ask(question)->kind, ActionKind::none);
    EXPECT_EQ(server.connections(), 2);
}

TEST(PolicyClient, DoesNotTakeAnOldAnswerForANewOne) {
    FakeServer server(
        {answering_daemon({"action=DUNNO\n\naction=OK\n\n"}), answering_daemon({"action=REJECT\n\n"})});
    const PolicyService service = at(server);
    PolicyClient client(service, resolver());
    EXPECT_EQ(client.ask(question)->kind, ActionKind::none);
    EXPECT_EQ(client.ask(question)->kind, ActionKind::refuse);
}

TEST(PolicyClient, SendsNoValueThatWouldEndItsLine) {
    std::string request;
    FakeServer server({[&](FakePeer& peer) {
        request = heard(peer);
        peer.say("action=OK\n\n");
    }});
    const PolicyService service = at(server);
    EXPECT_TRUE(PolicyClient(service, resolver()).ask({{"helo_name", "x\naction=OK\n\n"}, {"sender", ""}}));
    EXPECT_EQ(request, "helo_name=x?action=OK??\nsender=\n");
}

TEST(PolicyClient, ReportsAServiceThatMisbehaves) {
    EXPECT_EQ(problem_with(""), "it closed the connection");
    EXPECT_EQ(problem_with("action=OK\n"), "it closed the connection within its answer");
    EXPECT_EQ(problem_with("action=O"), "it closed the connection within its answer");
    EXPECT_EQ(problem_with("garbage\n\n"), "\"garbage\" is not name=value");
    EXPECT_EQ(problem_with("\n"), "there is no action in the answer");
    EXPECT_EQ(problem_with("action=" + std::string(1'000'000, 'x') + "\n\n"), "its answer is too long");
    std::string many;
    for (int i = 0; i < 5000; ++i) many += "name=value\n";
    EXPECT_EQ(problem_with(many + "action=OK\n\n"), "its answer is too long");
}

TEST(PolicyClient, DoesNotAskASilentServiceAgainForAWhile) {
    std::atomic<int> questions = 0;
    FakeServer server({[&](FakePeer& peer) {
        heard(peer);
        ++questions;
        for (int i = 0; i < 200; ++i) {  // a drip does not prolong the time for an answer
            peer.say("n=v\n");
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    }});
    const PolicyService service = at(server, Seconds(1));
    PolicyClient client(service, resolver());
    EXPECT_FALSE(client.ask(question));
    EXPECT_FALSE(client.ask(question));
    EXPECT_EQ(questions, 1);
    EXPECT_EQ(server.connections(), 1);
}

TEST(PolicyClient, ReportsThatNoServiceListens) {
    PolicyService service;
    service.place = {.path = "/nonexistent/socket"};
    PolicyClient client(service, resolver());
    EXPECT_NE(client.ask(question).problem().find("/nonexistent/socket"), std::string::npos);
}

}  // namespace
}  // namespace postoffice
