// The spawner starts, keeps and replaces agents, and no captured process stops it.
#include <gtest/gtest.h>

#include "lingering_socket.h"
#include "spawner_fixture.h"

namespace postoffice {
namespace {

using namespace testing_local;
using namespace testing_spawner;

TEST_F(Spawner, DeliversToTheInvokingUser) {
    if (self_.empty()) GTEST_SKIP() << "the invoking user has no account";
    start();
    const auto result = deliver(self_);
    EXPECT_EQ(Outcome::delivered, result.outcome) << result.reply.line();
    EXPECT_EQ(1U, count_of(contents(folder_ / self_), "S: x"));
    end_by_signal();
}

TEST_F(Spawner, NamesThatAreNoAccountFail) {
    start();
    for (const char* name : {"nosuchuser", "", ".", "..", "../bob", "/etc/passwd", "-x", "a b", "a:b", "a\nb",
                             "b\xf6"
                             "b"}) {
        const auto result = deliver(name);
        EXPECT_EQ(Outcome::failed, result.outcome) << name;
        EXPECT_EQ("5.1.1", result.reply.status) << name;
    }
    EXPECT_EQ(Outcome::deferred, deliver(std::string(400, 'x')).outcome);
}

TEST_F(Spawner, AgentIsKeptForTheNextChannel) {
    if (self_.empty()) GTEST_SKIP() << "the invoking user has no account";
    start();
    ASSERT_EQ(Outcome::delivered, deliver(self_).outcome);
    const auto before = agents();
    ASSERT_EQ(Outcome::delivered, deliver(self_).outcome);
    EXPECT_EQ(1U, before.size());
    EXPECT_EQ(before, agents());
}

TEST_F(Spawner, OldAgentIsReplaced) {
    if (self_.empty()) GTEST_SKIP() << "the invoking user has no account";
    start({.age = Seconds(0)});
    auto first = channels();
    ASSERT_EQ(Outcome::delivered, deliver(first, self_).outcome);
    const auto before = agents();
    ASSERT_EQ(Outcome::delivered, deliver(self_).outcome);
    EXPECT_NE(before, agents());
    EXPECT_EQ(Outcome::delivered, deliver(first, self_).outcome);  // over a channel of the one that left
}

TEST_F(Spawner, CapturedClientStopsNobody) {
    if (self_.empty()) GTEST_SKIP() << "the invoking user has no account";
    start();
    const Pipe pipe = make_pipe();
    const int odd = pipe.read_end.get();
    const std::string large(5000, 'x');
    SpawnRequest request;
    ASSERT_TRUE(request.user.assign(self_));
    for (int i = 0; i < 200; ++i) {
        send({}, {});
        send(std::as_bytes(std::span("x", 1)), {});
        send(std::as_bytes(std::span(large)), std::span(&odd, 1));
        ask_spawner(request, {});                  // no channel
        ask_spawner(request, std::span(&odd, 1));  // no socket
        const int three[] = {odd, odd, odd};
        ask_spawner(request, three);
        const SocketPair dead = packet_socket_pair();
        const int end = dead.theirs.get();
        ask_spawner(request, std::span(&end, 1));  // the other end is closed
        SpawnRequest unterminated;
        std::memset(unterminated.user.bytes, 'a', sizeof unterminated.user.bytes);
        ask_spawner(unterminated, std::span(&end, 1));
    }
    // What it holds of the request socket is no socket that could be shut down for all.
    EXPECT_EQ(-1, ::shutdown(requests_.handle.get(), SHUT_RDWR));
    EXPECT_EQ(Outcome::delivered, deliver(self_).outcome);
    wait_until([&] { return agents().size() == 1; });
    const std::string fds = "/proc/" + std::to_string(spawner_->pid()) + "/fd";
    EXPECT_LT(names_in(fds).size(), 30U);
    end_by_signal();
}

// With each of them the spawner would wait for an hour, and with it all local mail.
TEST_F(Spawner, ClosesNothingThatTakesLong) {
    if (self_.empty()) GTEST_SKIP() << "the invoking user has no account";
    start();
    SpawnRequest request;
    ASSERT_TRUE(request.user.assign("nosuchuser"));
    const auto bytes = std::as_bytes(std::span(&request, 1));
    const auto post_copies = [&](int descriptor, std::size_t copies) {
        if (copies == 1) return send(bytes, std::span(&descriptor, 1));
        const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        fmt::format_to(name.sun_path, "/proc/self/fd/{}", requests_.handle.get());
        if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
            throw_errno("connect");
        send_copies(socket.get(), bytes, descriptor, copies);
    };
    const std::function<void(LingeringSocket&)> attacks[] = {
        [&](LingeringSocket& s) { post_copies(s.socket.get(), 1); },
        [&](LingeringSocket& s) { post_copies(s.socket.get(), 5); },
        [&](LingeringSocket& s) { post_copies(s.socket.get(), 253); },
        [&](LingeringSocket& s) {
            const Fd channel = channel_with_lingering_queue(s);
            s.socket.reset();
            post_copies(channel.get(), 1);
        },
    };
    for (const auto& attack : attacks) {
        const Attacker attacker(*spawner_, attack);
        auto by = channels(Milliseconds(10'000));
        const auto result = deliver(by, self_);
        EXPECT_EQ(Outcome::delivered, result.outcome)
            << "attack " << &attack - attacks << ": " << result.reply.line();
    }
    end_by_signal();
}

TEST_F(Spawner, RequestsWaitForASpawnerThatIsRestarted) {
    if (self_.empty()) GTEST_SKIP() << "the invoking user has no account";
    start();
    auto by = channels();
    ASSERT_EQ(Outcome::delivered, deliver(by, self_).outcome);
    const auto orphans = agents();
    spawner_->end();
    // The agents of the dead spawner leave, and the request goes to the new one.
    for (const pid_t pid : orphans)
        wait_until([&] { return ::kill(pid, 0) != 0 || status_of(pid, "State").starts_with("Z"); });
    SocketPair pair = packet_socket_pair();
    SpawnRequest request;
    ASSERT_TRUE(request.user.assign(self_));
    const int end = pair.theirs.get();
    ask_spawner(request, std::span(&end, 1));
    pair.theirs.reset();
    ask(pair.ours.get(), "S: waited\n\n");
    start();
    EXPECT_EQ(0, answer_on(pair.ours.get()).outcome);
    EXPECT_EQ(Outcome::delivered, deliver(by, self_).outcome);
}

TEST_F(Spawner, AgentThatWasKilledIsReplaced) {
    if (self_.empty()) GTEST_SKIP() << "the invoking user has no account";
    start();
    auto by = channels();
    ASSERT_EQ(Outcome::delivered, deliver(by, self_).outcome);
    const pid_t first = agents().at(0);
    stop_agent(first);
    // Killed with a request in its socket.
    Child killer([&] {
        wait_until([&] { return status_of(::getppid(), "State").starts_with("S"); });
        return ::kill(first, SIGKILL);
    });
    EXPECT_EQ(Outcome::deferred, deliver(by, self_).outcome);
    killer.wait();
    EXPECT_EQ(Outcome::delivered, deliver(by, self_).outcome);
    EXPECT_NE(first, agents().at(0));
}

TEST_F(Spawner, FinishesWhatItsAgentsHaveBeforeItEnds) {
    if (self_.empty()) GTEST_SKIP() << "the invoking user has no account";
    start();
    ASSERT_EQ(Outcome::delivered, deliver(self_).outcome);
    const pid_t agent = agents().at(0);
    stop_agent(agent);
    SocketPair pair = packet_socket_pair();
    SpawnRequest request;
    ASSERT_TRUE(request.user.assign(self_));
    const int end = pair.theirs.get();
    ask(pair.ours.get(), "S: last\n\n");
    ask_spawner(request, std::span(&end, 1));
    pair.theirs.reset();
    // A request behind it, answered by the spawner, shows that the channel was handed over.
    EXPECT_EQ("5.1.1", deliver("nosuchuser").reply.status);
    spawner_->signal(SIGTERM);
    wait_until([&] { return deliver("nosuchuser").reply.status == "4.3.2"; });
    ::kill(agent, SIGCONT);
    EXPECT_EQ(0, answer_on(pair.ours.get()).outcome);
    EXPECT_EQ(0, spawner_->wait());
    EXPECT_EQ(1U, count_of(contents(folder_ / self_), "S: last"));
}

TEST(UserName, IsSafeAsAFileName) {
    for (const char* name : {"bob", "Bob", "b.o-b_1", "host$", "bob@ad.example"})
        EXPECT_TRUE(is_safe_user_name(name)) << name;
    for (const char* name : {"", ".bob", "-bob", "a/b", "a b", "a\nb", "..", "a:b", "a'b"})
        EXPECT_FALSE(is_safe_user_name(name)) << name;
}

}  // namespace
}  // namespace postoffice
