// The authenticator, asked by sessions that mean well and by one that somebody has captured.
#include "postoffice/daemon/authenticator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "local_delivery.h"
#include "postoffice/base/letterbox.h"
#include "postoffice/policy/authentication.h"

namespace postoffice {
namespace {

using namespace testing_local;

// Password "pencil".
constexpr auto users =
    "user:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";

/// This process is the master: its children are the authenticator and listeners, whose children are sessions.
class Authenticator : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!has_scram) GTEST_SKIP() << "SCRAM is not built in";
        std::filesystem::create_directory(folder_ / "v.example");
        put(folder_ / "v.example/passwd", users);
        put(folder_ / "domains.cf", std::to_string(::getuid()) + ":v.example:1:\n");
        config_.vhost_dir = folder_.path();
    }
    void start(const AuthenticatorLimits& limits) {
        authenticator_ = std::make_unique<Child>(
            [&, limits] { return run_authenticator(config_, std::move(box_.reader), limits); });
    }
    /// Runs `what` as a session, to its end; gives its exit status.
    static int in_session(const std::function<int()>& what) {
        Child listener([&] { return WEXITSTATUS(Child(what).wait()); });
        return WEXITSTATUS(listener.wait());
    }
    AuthOutcome log_in(const std::string& password = "pencil") const {
        const auto verdict = ask_authenticator(box_.slot.get(), "user@v.example", password, "192.0.2.1",
                                               Deadline::after(Seconds(20)));
        return verdict.outcome;
    }
    int log_in_status() const {
        return log_in() == AuthOutcome::yes && log_in("wrong") == AuthOutcome::no ? 0 : 1;
    }
    /// Begins an exchange and never goes on with it; true if it was begun.
    bool leave_open(std::vector<ScramExchange>& open) const {
        open.emplace_back(box_.slot.get(), "user@v.example", "192.0.2.1", Deadline::after(Seconds(20)));
        return open.back().challenge().has_value();
    }
    /// A process without a living ancestor below the master; it begins as many exchanges as it can, says that
    /// it has, and holds them open until the other end of `stop` is gone.
    void leave_a_child_behind(const Fd& ready, const Fd& stop) const {
        Child leaver([&] {
            spawn_process("test", [&, parent = ::getpid()] {
                while (::getppid() == parent) ::usleep(1000);
                std::vector<ScramExchange> open;
                for (int i = 0; i < 10; ++i) (void)leave_open(open);
                send_struct(ready.get(), int{1});
                (void)receive_struct<int>(stop.get());
                return 0;
            });
            return 0;
        });
        leaver.wait();
    }
    static bool has_ended(const Fd& channel) {
        int nothing = 0;
        return receive_packet_now(channel.get(), std::as_writable_bytes(std::span(&nothing, 1))).kind ==
               Arrival::Kind::end;
    }
    int count_left_open(int tries) const {
        std::vector<ScramExchange> open;
        int begun = 0;
        for (int i = 0; i < tries; ++i) begun += leave_open(open) ? 1 : 0;
        return begun;
    }

    Folder folder_;
    Config config_;
    Letterbox box_ = make_letterbox();
    std::unique_ptr<Child> authenticator_;
};

TEST_F(Authenticator, SaysYesAndNo) {
    start({});
    EXPECT_EQ(in_session([&] { return log_in_status(); }), 0);
}

TEST_F(Authenticator, NonsenseIsNotAnswered) {
    start({});
    EXPECT_EQ(in_session([&] {
                  const SocketPair channel = packet_socket_pair();
                  const auto post_it = [&](std::span<const std::byte> bytes, std::vector<int> descriptors) {
                      post(box_.slot.get(), bytes, descriptors, Deadline::after(Seconds(20)));
                  };
                  AuthRequest request;
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
                      other.magic = AuthAnswer::expected_magic;
                      post_it(std::as_bytes(std::span(&other, 1)), {end});
                      other = request;
                      other.method = static_cast<AuthRequest::Method>(99);
                      post_it(std::as_bytes(std::span(&other, 1)), {end});
                  }
                  AuthAnswer answer;
                  const auto arrival =
                      receive_packet_now(channel.ours.get(), std::as_writable_bytes(std::span(&answer, 1)));
                  if (arrival.kind != Arrival::Kind::nothing) return 2;
                  return log_in_status();
              }),
              0);
}

TEST_F(Authenticator, NonsenseInAnExchange) {
    start({});
    EXPECT_EQ(
        in_session([&] {
            for (int round = 0; round < 20; ++round) {
                AuthRequest request;
                request.method = AuthRequest::Method::scram;
                (void)request.user.assign("user@v.example");
                const SocketPair channel = packet_socket_pair();
                const int end = channel.theirs.get();
                post(box_.slot.get(), std::as_bytes(std::span(&request, 1)), std::span(&end, 1),
                     Deadline::after(Seconds(20)));
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
    Child captured([&] {
        stop.ours.reset();
        Child session([&] {
            std::vector<ScramExchange> open;
            for (int i = 0; i < 10; ++i) (void)leave_open(open);
            for (int i = 0; i < 5; ++i) leave_a_child_behind(ready.theirs, stop.theirs);
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

}  // namespace
}  // namespace postoffice
