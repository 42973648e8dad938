#include "postoffice/daemon/spawner.h"

#include <fmt/format.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <iterator>
#include <memory>

#include "lingering_socket.h"
#include "local_delivery.h"
#include "postoffice/base/accounts.h"
#include "postoffice/base/request_socket.h"
#include "postoffice/daemon/become_user.h"
#include "postoffice/delivery/agent_delivery.h"
#include "postoffice/delivery/agent_questions.h"

namespace postoffice {
namespace {

using namespace testing_local;
using Outcome = DeliveryResult::Outcome;

constexpr const char* test_accounts =
    "root:x:0:0:root:/root:/bin/sh\n"
    "bob:x:64001:64001::/nonexistent:/bin/sh\n"
    "eve:x:64002:64002::/nonexistent:/bin/sh\n"
    "toor:x:0:64003::/root:/bin/sh\n"
    "wheel:x:64004:0::/nonexistent:/bin/sh\n"
    "carol:x:64005:64005::/nonexistent:/bin/sh\n";
constexpr const char* test_groups =
    "root:x:0:\npostbox:x:64100:\nbob:x:64001:\neve:x:64002:\nfriends:x:64200:bob\n";

std::string invoking_user() {
    const auto self = find_account(::getuid());
    return self ? self->name : "";
}

class Spawner : public ::testing::Test {
  protected:
    void SetUp() override {
        // Users must get through to the mailboxes, and nobody but the group may create one.
        if (::geteuid() == 0 &&
            (::chown(folder_.path().c_str(), 0, 64100) != 0 || ::chmod(folder_.path().c_str(), 02775) != 0))
            throw_errno("mail directory");
        config_.remote.agents = 20;
    }
    /// With accounts of the test's own, if root.
    void start(SpawnerLimits limits = {.idle = Seconds(600)}) {
        spawner_ = std::make_unique<Child>([&, this] {
            if (::geteuid() == 0) use_test_accounts();
            return run_spawner(config_, std::move(requests_.reader), limits);
        });
    }
    void use_test_accounts() const {
        if (::unshare(CLONE_NEWNS) != 0) throw_errno("unshare");
        if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) throw_errno("mount");
        const Folder own;
        put(own / "passwd", test_accounts);
        put(own / "group", test_groups);
        for (const std::string file : {"passwd", "group"})
            if (::mount((own / file).c_str(), ("/etc/" + file).c_str(), nullptr, MS_BIND, nullptr) != 0)
                throw_errno("mount");
    }
    static bool may_mount() {
        if (::geteuid() != 0) return false;
        Child child([] { return ::unshare(CLONE_NEWNS) == 0 ? 0 : 1; });
        return child.wait() == 0;
    }
    AgentChannels channels(Milliseconds patience = Milliseconds(60'000)) const {
        return AgentChannels(SpawnerHandle(requests_.handle), patience, Seconds(30));
    }
    DeliveryResult deliver(AgentChannels& by, const std::string& user,
                           const std::string& text = "S: x\n\n") const {
        const Fd message = disk::memory_file(text);
        return AgentDelivery(by).deliver(
            {{"q1", user, Address("a", "example.org"), Address("b", "example.org")}}, message.get())[0];
    }
    DeliveryResult deliver(const std::string& user) const {
        auto by = channels();
        return deliver(by, user);
    }
    /// Children of the spawner.
    std::vector<pid_t> agents() const {
        const std::string pid = std::to_string(spawner_->pid());
        std::istringstream list(contents("/proc/" + pid + "/task/" + pid + "/children"));
        std::vector<pid_t> pids;
        for (pid_t child = 0; list >> child;) pids.push_back(child);
        return pids;
    }
    std::string status_of(pid_t pid, const std::string& key) const {
        std::istringstream lines(contents("/proc/" + std::to_string(pid) + "/status"));
        for (std::string line; std::getline(lines, line);)
            if (line.starts_with(key + ":")) return line.substr(key.size() + 2);
        return "";
    }
    void send(std::span<const std::byte> bytes, std::span<const int> descriptors) const {
        send_request(requests_.handle.get(), bytes, descriptors, Deadline::after(Seconds(60)));
    }
    void ask_spawner(const SpawnRequest& request, std::span<const int> descriptors) const {
        send(std::as_bytes(std::span(&request, 1)), descriptors);
    }
    /// Its agent waits at the channel for what it is to do.
    Fd ask_for_program(const std::string& user) const {
        SpawnRequest request;
        request.purpose = SpawnRequest::Purpose::instructions;
        EXPECT_TRUE(request.user.assign(user));
        SocketPair pair = packet_socket_pair();
        const int theirs = pair.theirs.get();
        ask_spawner(request, std::span(&theirs, 1));
        return std::move(pair.ours);
    }
    void wait_until(const std::function<bool()>& condition) const {
        for (int i = 0; i < 60'000 && !condition(); ++i) ::usleep(1000);
        ASSERT_TRUE(condition());
    }
    void stop_agent(pid_t pid) const {
        ::kill(pid, SIGSTOP);
        wait_until([&] { return status_of(pid, "State").starts_with("T"); });
    }
    void end_by_signal() {
        spawner_->signal(SIGTERM);
        EXPECT_EQ(0, spawner_->wait());
    }

    Folder folder_;
    Config config_ = config_with(folder_);
    RequestSocket requests_ = make_request_socket();
    std::unique_ptr<Child> spawner_;
    const std::string self_ = invoking_user();
};

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
        ask_spawner(request, std::span(&end, 1));  // nobody at the other end
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
