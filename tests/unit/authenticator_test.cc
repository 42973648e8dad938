// The authenticator, asked by ordinary sessions and by a captured one.
#include "postoffice/daemon/authenticator.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "lingering_socket.h"
#include "local_delivery.h"
#include "postoffice/base/request_socket.h"
#include "postoffice/policy/authentication.h"

namespace postoffice {
namespace {

using namespace testing_local;

// Password "pencil".
constexpr auto users =
    "user:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";

/// This process is the master and the listener: it makes the passes.
class Authenticator : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!has_scram) GTEST_SKIP() << "SCRAM is not built in";
        std::filesystem::create_directory(folder_ / "v.example");
        put(folder_ / "v.example/passwd", users);
        put(folder_ / "domains.cf", std::to_string(::getuid()) + ":v.example:1:\n");
        config_.vhost.dir = folder_.path();
        config_.auth.failures = 100;
    }
    void start(const AuthenticatorLimits& limits) {
        authenticator_ = std::make_unique<Child>([&, limits] {
            return run_authenticator(config_, std::move(requests_.reader), {passes_, tickets_}, limits);
        });
    }
    /// Runs `what` as a session process with a pass of its own, to its end; gives its exit status.
    int in_session(const std::function<int()>& what) {
        new_pass();
        return WEXITSTATUS(Child(what).wait());
    }
    void new_pass() { access_ = {AuthenticatorHandle(requests_.handle), passes_.pass_for(++sessions_)}; }
    AuthOutcome log_in(const std::string& password = "pencil") const {
        const auto verdict = ask_authenticator(access_, {"user@v.example", "192.0.2.1"}, password,
                                               Deadline::after(Seconds(20)));
        return verdict.outcome;
    }
    int log_in_status() const {
        return log_in() == AuthOutcome::yes && log_in("wrong") == AuthOutcome::no ? 0 : 1;
    }
    /// Begins an exchange and never goes on with it; true if it was begun.
    bool leave_open(std::vector<ScramExchange>& open) const {
        open.emplace_back(access_, LoginQuestion{"user@v.example", "192.0.2.1"},
                          Deadline::after(Seconds(20)));
        return open.back().challenge().has_value();
    }
    /// A process that is no descendant of the one that calls this; it begins as many exchanges as it can,
    /// says that it has, and holds them open until the other end of `stop` is gone.
    void make_a_sibling(const Fd& ready, const Fd& stop) const {
        if (::syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr, nullptr) != 0) return;
        std::vector<ScramExchange> open;
        for (int i = 0; i < 10; ++i) (void)leave_open(open);
        send_struct(ready.get(), int{1});
        (void)receive_struct<int>(stop.get());
        ::_exit(0);
    }
    static bool has_ended(const Fd& channel) {
        int nothing = 0;
        return receive_packet_now(channel.get(), std::as_writable_bytes(std::span(&nothing, 1))).kind ==
               PacketArrival::Kind::end;
    }
    /// Those of the authenticator that are there.
    std::vector<pid_t> children() const {
        const std::string pid = std::to_string(authenticator_->pid());
        std::ifstream file("/proc/" + pid + "/task/" + pid + "/children");
        return {std::istream_iterator<pid_t>(file), {}};
    }
    int count_left_open(int tries) const {
        std::vector<ScramExchange> open;
        int begun = 0;
        for (int i = 0; i < tries; ++i) begun += leave_open(open) ? 1 : 0;
        return begun;
    }

    Folder folder_;
    Config config_;
    RequestSocket requests_ = make_request_socket();
    PassKey passes_;
    TicketKey tickets_;
    std::uint64_t sessions_ = 0;
    AuthenticatorAccess access_;
    std::unique_ptr<Child> authenticator_;
};

TEST_F(Authenticator, SaysYesAndNo) {
    start({});
    EXPECT_EQ(in_session([&] { return log_in_status(); }), 0);
}

TEST_F(Authenticator, ChildrenAnswerOneQuestionAfterTheOther) {
    start({});
    for (int i = 0; i < 10; ++i) ASSERT_EQ(in_session([&] { return log_in_status(); }), 0);
    EXPECT_GE(children().size(), 1u);
    EXPECT_LE(children().size(), 4u);
}

TEST_F(Authenticator, AChildThatDiedIsReplaced) {
    start({});
    for (int i = 0; i < 5; ++i) {
        ASSERT_EQ(in_session([&] { return log_in_status(); }), 0) << "round " << i;
        for (const pid_t child : children()) (void)::kill(child, SIGKILL);
        for (int wait = 0; wait < 2000 && !children().empty(); ++wait) ::usleep(10'000);
    }
}

TEST_F(Authenticator, NonsenseIsNotAnswered) {
    start({});
    EXPECT_EQ(in_session([&] {
                  const SocketPair channel = packet_socket_pair();
                  const auto post_it = [&](std::span<const std::byte> bytes, std::vector<int> descriptors) {
                      send_request(requests_.handle.get(), bytes, descriptors, Deadline::after(Seconds(20)));
                  };
                  AuthRequest request;
                  request.pass = access_.pass;
                  (void)request.user.assign("user@v.example");
                  const auto bytes = std::as_bytes(std::span(&request, 1));
                  const int end = channel.theirs.get();
                  for (int round = 0; round < 20; ++round) {
                      post_it(bytes, {});
                      post_it(bytes, {end, end});
                      post_it(bytes, {end, end, end, end});
                      post_it(bytes.first(bytes.size() - 1), {end});
                      post_it(bytes.first(1), {end});
                      post_it({}, {end});
                      post_it(std::vector<std::byte>(4096), {end});
                      AuthRequest other = request;
                      other.tag = AuthAnswer::own_tag;
                      post_it(std::as_bytes(std::span(&other, 1)), {end});
                      other = request;
                      other.method = static_cast<AuthRequest::Method>(99);
                      post_it(std::as_bytes(std::span(&other, 1)), {end});
                      other = request;
                      ++other.pass.number;  // that of another session
                      post_it(std::as_bytes(std::span(&other, 1)), {end});
                  }
                  AuthAnswer answer;
                  const auto arrival =
                      receive_packet_now(channel.ours.get(), std::as_writable_bytes(std::span(&answer, 1)));
                  if (arrival.kind != PacketArrival::Kind::nothing) return 2;
                  return log_in_status();
              }),
              0);
}

TEST_F(Authenticator, NonsenseInAnExchange) {
    start({.of_one_session = 50});  // children that have not left yet are no reason to say "later" here
    EXPECT_EQ(
        in_session([&] {
            for (int round = 0; round < 20; ++round) {
                AuthRequest request;
                request.method = AuthRequest::Method::scram;
                request.pass = access_.pass;
                (void)request.user.assign("user@v.example");
                const SocketPair channel = packet_socket_pair();
                const int end = channel.theirs.get();
                send_request(requests_.handle.get(), std::as_bytes(std::span(&request, 1)),
                             std::span(&end, 1), Deadline::after(Seconds(20)));
                if (!receive_struct<ScramChallenge>(channel.ours.get(), Deadline::after(Seconds(20))))
                    return 3;
                ScramResponse response;
                std::memset(response.client_nonce.bytes, 'x', sizeof response.client_nonce.bytes);
                std::memset(response.client_first_bare.bytes, -1, sizeof response.client_first_bare.bytes);
                if (round % 2 == 0) {
                    send_struct(channel.ours.get(), response);
                } else {
                    send_struct(channel.ours.get(), request);
                }
                const auto answer = round % 2 != 0 ? std::nullopt
                                                   : receive_struct<AuthAnswer>(channel.ours.get(),
                                                                                Deadline::after(Seconds(20)));
                if (answer &&
                    (answer->value.outcome != AuthOutcome::no || answer->value.signature != ScramDigest{}))
                    return 4;
            }
            return 0;
        }),
        0);
    EXPECT_EQ(in_session([&] { return log_in_status(); }), 0);
}

TEST_F(Authenticator, ASessionHasRoomForAFewQuestions) {
    start({.children = 20, .of_one_session = 4});
    EXPECT_EQ(in_session([&] {
                  std::vector<ScramExchange> open;
                  int begun = 0;
                  for (int i = 0; i < 50; ++i) begun += leave_open(open) ? 1 : 0;
                  // What it forks is as much itself.
                  Child child([&] { return count_left_open(10); });
                  return begun * 16 + WEXITSTATUS(child.wait());
              }),
              4 * 16 + 0);
    EXPECT_EQ(in_session([&] { return count_left_open(10); }), 4) << "those that it left open are free again";
}

TEST_F(Authenticator, OthersLogInWhileOneFloods) {
    start({.children = 12, .of_one_session = 4});
    SocketPair ready = packet_socket_pair(), stop = packet_socket_pair();
    new_pass();
    Child captured([&] {
        stop.ours.reset();
        Child session([&] {
            std::vector<ScramExchange> open;
            for (int i = 0; i < 10; ++i) (void)leave_open(open);
            for (int i = 0; i < 5; ++i) make_a_sibling(ready.theirs, stop.theirs);
            while (!has_ended(stop.theirs)) {
                std::vector<ScramExchange> more;
                (void)leave_open(more);
            }
            return 0;
        });
        return session.wait();
    });
    for (int i = 0; i < 5; ++i)
        ASSERT_TRUE(receive_struct<int>(ready.ours.get(), Deadline::after(Seconds(20))));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(in_session([&] { return log_in_status(); }), 0);
    stop.ours.reset();
    captured.wait();
}

TEST_F(Authenticator, ASessionHasFewGuesses) {
    config_.auth.failures = 3;
    start({});
    EXPECT_EQ(in_session([&] {
                  for (int i = 0; i < 3; ++i)
                      if (log_in("wrong") != AuthOutcome::no) return 2;
                  // Its children are counted when they are collected.
                  for (int i = 0; i < 20 && log_in("wrong") == AuthOutcome::no; ++i) ::usleep(10'000);
                  return log_in() == AuthOutcome::temporary ? 0 : 1;
              }),
              0);
    EXPECT_EQ(in_session([&] { return log_in() == AuthOutcome::yes ? 0 : 1; }), 0)
        << "others are not concerned";
}

TEST_F(Authenticator, ClosesNothingThatTakesLong) {
    start({});
    new_pass();
    AuthRequest good;
    good.pass = access_.pass;
    AuthRequest forged;
    const auto post_it = [&](const AuthRequest& request, int descriptor) {
        send_request(requests_.handle.get(), std::as_bytes(std::span(&request, 1)), std::span(&descriptor, 1),
                     Deadline::after(Seconds(20)));
    };
    const std::function<void(LingeringSocket&)> attacks[] = {
        [&](LingeringSocket& s) { post_it(good, s.socket.get()); },
        [&](LingeringSocket& s) {
            const Fd channel = channel_with_lingering_queue(s);
            s.socket.reset();
            post_it(forged, channel.get());
        },
        [&](LingeringSocket& s) {
            const Fd channel = channel_with_lingering_queue(s);
            s.socket.reset();
            for (int i = 0; i < 5; ++i) post_it(good, channel.get());  // more than a session may ask
        },
    };
    for (const auto& attack : attacks) {
        const Attacker attacker(*authenticator_, attack);
        EXPECT_EQ(in_session([&] { return log_in_status(); }), 0);
    }
}

}  // namespace
}  // namespace postoffice
