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
        // Users must get through to the mailboxes, and only the group may create one.
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

// From here on: becoming other users.

TEST_F(Spawner, AgentIsTheUserAndNothingElse) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    struct stat requests {};
    ASSERT_EQ(0, ::fstat(requests_.reader.get(), &requests));
    start();
    auto by = channels();
    ASSERT_EQ(Outcome::delivered, deliver(by, "bob").outcome);
    const pid_t agent = agents().at(0);
    EXPECT_EQ("64001\t64001\t64001\t64001", status_of(agent, "Uid"));
    EXPECT_EQ("64001\t64001\t64100\t64001", status_of(agent, "Gid"));  // saved: the mailbox group
    std::istringstream listed(status_of(agent, "Groups"));
    std::vector<int> groups{std::istream_iterator<int>(listed), {}};
    std::sort(groups.begin(), groups.end());
    EXPECT_EQ((std::vector<int>{64001, 64200}), groups);
    for (const char* set : {"CapEff", "CapPrm", "CapInh", "CapAmb"})
        EXPECT_EQ("0000000000000000", status_of(agent, set));

    const std::string fds = "/proc/" + std::to_string(agent) + "/fd";
    for (const std::string& fd : names_in(fds)) {
        // The agent answers before it closes the mailbox: a descriptor may be gone by now.
        std::error_code gone;
        EXPECT_NE("socket:[" + std::to_string(requests.st_ino) + "]",
                  std::filesystem::read_symlink(fds + "/" + fd, gone).string());
    }

    struct stat mailbox {};
    ASSERT_EQ(0, ::stat((folder_ / "bob").c_str(), &mailbox));
    EXPECT_EQ(64001U, mailbox.st_uid);
    EXPECT_EQ(64100U, mailbox.st_gid);
    EXPECT_EQ(0660U, mailbox.st_mode & 07777);
}

TEST_F(Spawner, MailboxGroupIsNotTakenWhereItIsNotNeeded) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    ASSERT_EQ(0, ::chmod(folder_.path().c_str(), 01777));
    start();
    auto by = channels();
    ASSERT_EQ(Outcome::delivered, deliver(by, "bob").outcome);
    EXPECT_EQ("64001\t64001\t64001\t64001", status_of(agents().at(0), "Gid"));
    struct stat mailbox {};
    ASSERT_EQ(0, ::stat((folder_ / "bob").c_str(), &mailbox));
    EXPECT_EQ(0600U, mailbox.st_mode & 07777);
}

TEST_F(Spawner, GroupOfRootIsNeverLent) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    ASSERT_EQ(0, ::chown(folder_.path().c_str(), 0, 0));
    start();
    EXPECT_EQ(Outcome::deferred, deliver("bob").outcome);
    EXPECT_TRUE(names_in(folder_.path()).empty());
}

TEST_F(Spawner, OnlyRootsOwnMailboxIsWrittenAsRoot) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    start();
    for (const char* user : {"toor", "wheel"}) {
        EXPECT_EQ(Outcome::deferred, deliver(user).outcome);
        EXPECT_FALSE(std::filesystem::exists(folder_ / user));
    }
    ASSERT_EQ(Outcome::delivered, deliver("root").outcome);
    struct stat mailbox {};
    ASSERT_EQ(0, ::stat((folder_ / "root").c_str(), &mailbox));
    EXPECT_EQ(0U, mailbox.st_uid);
    EXPECT_EQ(0600U, mailbox.st_mode & 07777);
}

TEST_F(Spawner, MailboxOfAnotherUserIsNotWritten) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    put(folder_ / "bob", "of eve");
    ASSERT_EQ(0, ::chown((folder_ / "bob").c_str(), 64002, 64100));
    ASSERT_EQ(0, ::chmod((folder_ / "bob").c_str(), 0666));
    start();
    EXPECT_EQ("mailbox belongs to another user", deliver("bob").reply.text);
    EXPECT_EQ("of eve", contents(folder_ / "bob"));
}

TEST_F(Spawner, IdleAgentMakesRoomForAnotherUser) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    config_.remote.agents = 1;
    start();
    auto by = channels();
    for (int i = 0; i < 5; ++i)
        for (const char* user : {"bob", "eve", "root"}) {
            EXPECT_EQ(Outcome::delivered, deliver(by, user).outcome) << user;
            EXPECT_LE(agents().size(), 1U);
        }
    EXPECT_EQ(5U, count_of(contents(folder_ / "eve"), "S: x"));
}

TEST_F(Spawner, WithoutRoomTheRequestIsDeferred) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    config_.remote.agents = 1;
    start({.idle = Seconds(600), .room = Seconds(0)});
    ASSERT_EQ(Outcome::delivered, deliver("bob").outcome);
    const pid_t agent = agents().at(0);
    stop_agent(agent);
    const auto result = deliver("eve");
    EXPECT_EQ(Outcome::deferred, result.outcome);
    EXPECT_EQ("4.3.2", result.reply.status);
    ::kill(agent, SIGCONT);
    wait_until([&] { return deliver("eve").outcome == Outcome::delivered; });
}

// However many programs an account has that take long, other accounts run theirs, and mailboxes get mail.
TEST_F(Spawner, ProgramsOfOneAccountLeavePlacesToOthers) {
    if (!may_mount()) GTEST_SKIP() << "NEEDS ROOT: accounts of its own";
    config_.remote.agents = 8;
    config_.local.owner_programs = 3;
    start({.room = Seconds(1)});
    std::vector<Fd> busy;
    for (int i = 0; i < 3; ++i) busy.push_back(ask_for_program("eve"));
    const Fd one_more = ask_for_program("eve");
    const auto refusal = answer_on(one_more.get());
    EXPECT_EQ("4.3.2", refusal.status.str()) << refusal.text.str();
    for (int i = 0; i < 3; ++i) busy.push_back(ask_for_program("bob"));
    wait_until([&] { return agents().size() == 6; });
    const Fd of_a_third = ask_for_program("carol");
    EXPECT_EQ("4.3.2", answer_on(of_a_third.get()).status.str()) << "the places of mailboxes";
    EXPECT_EQ(Outcome::delivered, deliver("eve").outcome);
    EXPECT_EQ(Outcome::delivered, deliver("bob").outcome);
}

// A program that has ended is counted until it is collected: the next one waits for that.
TEST_F(Spawner, AProgramWaitsForOneThatEnds) {
    if (!may_mount()) GTEST_SKIP() << "NEEDS ROOT: accounts of its own";
    config_.local.owner_programs = 1;
    start({.room = Seconds(600)});
    Fd first = ask_for_program("eve");
    wait_until([&] { return agents().size() == 1; });
    const pid_t agent = agents().front();
    const Fd second = ask_for_program("eve");
    first.reset();
    wait_until([&] { return agents().size() == 1 && agents().front() != agent; });
}

TEST_F(Spawner, AgentThatDoesNotLeaveIsEnded) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    config_.remote.agents = 1;
    start({.idle = Seconds(600), .room = Seconds(600), .leaving = Seconds(0)});
    ASSERT_EQ(Outcome::delivered, deliver("bob").outcome);
    stop_agent(agents().at(0));
    EXPECT_EQ(Outcome::delivered, deliver("eve").outcome);
}

/// Domains of bob's, root's and others'; eve is the account that their mail belongs to.
class VirtualSpawner : public Spawner {
  protected:
    void SetUp() override {
        Spawner::SetUp();
        if (::geteuid() != 0) return;
        config_.vhost.dir = etc_.path();
        config_.vhost.spool = spool_.path();
        config_.vhost.user = {"eve", ""};
        ASSERT_EQ(0, ::chmod(etc_.path().c_str(), 0755));
        ASSERT_EQ(0, ::chown(spool_.path().c_str(), 64002, 64002));
        put(etc_ / "domains.cf",
            "bob:own.test:1:\nroot:root.test:1:\ntoor:toor.test:1:\nghost:ghost.test:1:\n"
            "bob:off.test:0:\nbob:bad.test:x:\n");
        for (const std::string domain :
             {"own.test", "root.test", "toor.test", "ghost.test", "off.test", "bad.test"}) {
            std::filesystem::create_directory(etc_ / domain);
            write(domain + "/passwd", "Vera:x\n");
            write(domain + "/aliases", "robot: |/usr/bin/touch " + (spool_ / "ran") + "\n");
        }
    }
    /// As bob's, and not readable for others.
    void write(const std::string& name, const std::string& text) const {
        put(etc_ / name, text);
        ASSERT_EQ(0, ::chown((etc_ / name).c_str(), 64001, 64001));
        ASSERT_EQ(0, ::chmod((etc_ / name).c_str(), 0600));
    }
    DeliveryResult deliver_to(const std::string& user, const std::string& domain) const {
        auto by = channels();
        const Fd message = disk::memory_file("S: x\n\n");
        const Address someone("a", "example.org");
        return AgentDelivery(by).deliver({{"q1", user, someone, someone, MailFolder::inbox, domain}},
                                         message.get())[0];
    }
    DeliveryResult carry_out(const std::string& alias, const std::string& domain,
                             const std::string& command) const {
        auto by = channels();
        const Fd message = disk::memory_file("S: x\n\n");
        const Address someone("a", "example.org");
        Destination::Source source = Destination::InHostAlias{alias};
        if (!domain.empty()) source = Destination::InDomainAlias{alias, domain};
        const Destination program{Destination::Program{command.substr(1), source}, someone};
        return AgentDelivery(by).carry_out({"q1", program, someone}, message.get());
    }
    /// A channel to whatever this request gets.
    Fd channel_for(SpawnRequest::Purpose purpose, const std::string& name) const {
        SocketPair pair = packet_socket_pair();
        SpawnRequest request;
        request.purpose = purpose;
        EXPECT_TRUE(request.user.assign(name));
        const int end = pair.theirs.get();
        ask_spawner(request, std::span(&end, 1));
        return std::move(pair.ours);
    }
    std::size_t files_in_spool() const {
        std::size_t count = 0;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(spool_.path()))
            if (!entry.is_directory()) ++count;
        return count;
    }

    const Folder etc_, spool_;
};

TEST_F(VirtualSpawner, MailboxesBelongToTheMailAccount) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    start();
    const auto result = deliver_to("vera", "own.test");
    ASSERT_EQ(Outcome::delivered, result.outcome) << result.reply.line();
    struct stat mailbox {};
    ASSERT_EQ(0, ::lstat((spool_ / "own.test/Vera").c_str(), &mailbox)) << "as passwd spells it";
    EXPECT_EQ(64002U, mailbox.st_uid);
    EXPECT_EQ(64002U, mailbox.st_gid);
    EXPECT_EQ(0600U, mailbox.st_mode & 07777);
    EXPECT_EQ("64002\t64002\t64002\t64002", status_of(agents().at(0), "Uid"));
    EXPECT_EQ("64002\t64002\t64002\t64002", status_of(agents().at(0), "Gid"));
}

TEST_F(VirtualSpawner, MailboxesInAFolderOfTheOwnersBelongToTheOwner) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    ASSERT_EQ(0, ::chmod(spool_.path().c_str(), 0711));
    std::filesystem::create_directory(spool_ / "own.test");
    ASSERT_EQ(0, ::chown((spool_ / "own.test").c_str(), 64001, 64001));
    ASSERT_EQ(0, ::chmod((spool_ / "own.test").c_str(), 0700));
    start();
    const auto result = deliver_to("vera", "own.test");
    ASSERT_EQ(Outcome::delivered, result.outcome) << result.reply.line();
    struct stat mailbox {};
    ASSERT_EQ(0, ::lstat((spool_ / "own.test/Vera").c_str(), &mailbox));
    EXPECT_EQ(64001U, mailbox.st_uid);
    EXPECT_EQ("64001\t64001\t64001\t64001", status_of(agents().at(0), "Uid"));
}

TEST_F(VirtualSpawner, AFolderThatIsNotTheOwnersMakesNobodyAnother) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    ASSERT_EQ(0, ::chmod(spool_.path().c_str(), 0711));
    for (const auto& [domain, uid] : {std::pair("own.test", 64003U), std::pair("root.test", 0U)}) {
        std::filesystem::create_directory(spool_ / domain);
        ASSERT_EQ(0, ::chown((spool_ / domain).c_str(), uid, uid));
    }
    start();
    EXPECT_EQ("4.2.0", deliver_to("vera", "own.test").reply.status);
    EXPECT_EQ(Outcome::deferred, deliver_to("vera", "root.test").outcome);
    EXPECT_EQ(0U, files_in_spool());
    // Nor does a link to a folder of the owner's.
    std::filesystem::remove(spool_ / "own.test");
    std::filesystem::create_directory(etc_ / "theirs");
    ASSERT_EQ(0, ::chown((etc_ / "theirs").c_str(), 64001, 64001));
    std::filesystem::create_symlink(etc_ / "theirs", spool_ / "own.test");
    EXPECT_EQ("4.2.0", deliver_to("vera", "own.test").reply.status);
    EXPECT_TRUE(std::filesystem::is_empty(etc_ / "theirs"));
}

// An agent may be given more channels until the spawner hears that it has ended.
TEST_F(VirtualSpawner, AnAgentThatCannotDeliverRefusesAllThatItWasGiven) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    ASSERT_EQ(0, ::chmod(spool_.path().c_str(), 0711));
    std::filesystem::create_directory(spool_ / "own.test");
    ASSERT_EQ(0, ::chown((spool_ / "own.test").c_str(), 64003, 64003));
    start();
    for (int i = 0; i < 200; ++i) ASSERT_EQ("4.2.0", deliver_to("vera", "own.test").reply.status) << i;
}

TEST_F(VirtualSpawner, CapturedClientGetsNoOtherPathAndNoOtherAccount) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    start();
    const std::vector<std::pair<std::string, std::string>> names = {
        {"../x", "own.test"},    {"Vera/../../x", "own.test"},
        {"", "own.test"},        {".", "own.test"},
        {"..", "own.test"},      {"Vera", "../own.test"},
        {"Vera", "."},           {"Vera", ""},
        {"nobody", "own.test"},  {"Vera", "nowhere.test"},
        {"Vera", "own.test/"},   {"Vera@own.test", "off.test"},
        {"Vera", "off.test"},    {"Vera", "bad.test"},
        {"Vera", "domains.cf"},  {"*", "own.test"},
        {"-Vera", "own.test"},   {"Vera", "ghost.test"},
        {"Vera\nx", "own.test"}, {std::string(300, 'x'), "own.test"}};
    for (const auto& [user, domain] : names)
        EXPECT_NE(Outcome::delivered, deliver_to(user, domain).outcome) << user << " " << domain;
    EXPECT_EQ("5.1.1", deliver_to("nobody", "own.test").reply.status);
    EXPECT_EQ("5.2.1", deliver_to("Vera", "off.test").reply.status);
    EXPECT_EQ("4.3.5", deliver_to("Vera", "bad.test").reply.status);
    EXPECT_EQ(0U, files_in_spool());
    // The spelling of another kind of request does not help either.
    for (const auto purpose : {SpawnRequest::Purpose::mailbox, SpawnRequest::Purpose::domain})
        EXPECT_EQ(1, answer_on(channel_for(purpose, "Vera@own.test").get()).for_all);
    const Fd unknown = channel_for(static_cast<SpawnRequest::Purpose>(77), "own.test");
    EXPECT_EQ(99, answer_on(unknown.get()).outcome);
}

TEST_F(VirtualSpawner, AnAgentDoesWhatItIsThereForAndNothingElse) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    start();
    auto by = channels();
    const auto vera = AgentQuestions(by).domain_entry("own.test", "VERA");
    EXPECT_EQ(DomainEntry::Status::answered, vera.status) << vera.problem;
    EXPECT_EQ("Vera", vera.user);
    EXPECT_TRUE(AgentQuestions(by)
                    .domain_entry("own.test", "robot")
                    .alias.value_or("")
                    .starts_with("|/usr/bin/touch"));
    EXPECT_EQ("64001\t64001\t64001\t64001", status_of(agents().at(0), "Uid"));
    EXPECT_EQ(DomainEntry::Status::temporary, AgentQuestions(by).domain_entry("nowhere.test", "vera").status);

    const Fd names = channel_for(SpawnRequest::Purpose::domain, "own.test");
    ask(names.get(), "S: x\n\n");
    EXPECT_EQ(99, answer_on(names.get()).outcome) << "it takes no mail";
    const Fd homes = channel_for(SpawnRequest::Purpose::domain, "own.test");
    send_struct(homes.get(), FileRequest());
    EXPECT_EQ(99, answer_on(homes.get()).outcome) << "it tells nothing of homes";
    const Fd mailbox = channel_for(SpawnRequest::Purpose::virtual_mailbox, "Vera@own.test");
    send_struct(mailbox.get(), FileRequest());
    EXPECT_EQ(99, answer_on(mailbox.get()).outcome);
    const Fd other = channel_for(SpawnRequest::Purpose::virtual_mailbox, "Vera@own.test");
    send_struct(other.get(), DomainRequest());
    EXPECT_EQ(99, answer_on(other.get()).outcome);
    EXPECT_EQ(0U, files_in_spool());
}

TEST_F(VirtualSpawner, ProgramsRunIfTheOwnerSaysSoAndIsNotRoot) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    ASSERT_EQ(0, ::chmod(spool_.path().c_str(), 01777));
    start();
    const std::string command = "|/usr/bin/touch " + (spool_ / "ran");
    for (const auto* domain : {"root.test", "toor.test", "ghost.test", "off.test", "nowhere.test", ""})
        EXPECT_NE(Outcome::delivered, carry_out("robot", domain, command).outcome) << domain;
    EXPECT_NE(Outcome::delivered, carry_out("robot", "own.test", command + "2").outcome)
        << "not what stands there";
    EXPECT_NE(Outcome::delivered, carry_out("other", "own.test", command).outcome);
    EXPECT_EQ(0U, files_in_spool());
    const auto result = carry_out("robot", "own.test", command);
    EXPECT_EQ(Outcome::delivered, result.outcome) << result.reply.line();
    struct stat ran {};
    ASSERT_EQ(0, ::lstat((spool_ / "ran").c_str(), &ran));
    EXPECT_EQ(64001U, ran.st_uid);
}

// The owner can stop them, so they must not have all places.
TEST_F(VirtualSpawner, AgentsOfOneOwnerHaveHalfOfThePlaces) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    config_.remote.agents = 6;
    std::string domains;
    for (char name = 'a'; name < 'g'; ++name) {
        const std::string domain = std::string(1, name) + ".test";
        domains += "bob:" + domain + ":1:\n";
        std::filesystem::create_directory(etc_ / domain);
        write(domain + "/passwd", "Vera:x\n");
    }
    put(etc_ / "domains.cf", domains);
    start({.idle = Seconds(600), .room = Seconds(1)});
    std::vector<Fd> channels;
    for (char name = 'a'; name < 'd'; ++name)
        channels.push_back(channel_for(SpawnRequest::Purpose::domain, std::string(1, name) + ".test"));
    const auto agents_of_bob = [&] {
        auto pids = agents();
        std::erase_if(pids, [&](pid_t pid) { return !status_of(pid, "Uid").starts_with("64001"); });
        return pids;
    };
    wait_until([&] { return agents_of_bob().size() == 3; });
    const auto stopped = agents_of_bob();
    for (const pid_t pid : stopped) stop_agent(pid);
    for (char name = 'd'; name < 'g'; ++name)
        channels.push_back(channel_for(SpawnRequest::Purpose::domain, std::string(1, name) + ".test"));
    for (std::size_t i = 3; i < 6; ++i)
        EXPECT_EQ("4.3.2", answer_on(channels[i].get()).status.str()) << "bob has the share of one account";
    EXPECT_EQ(stopped, agents_of_bob());
    EXPECT_EQ(Outcome::delivered, deliver("carol").outcome);
    EXPECT_EQ(Outcome::delivered, deliver("eve").outcome);
    for (const pid_t pid : stopped) ::kill(pid, SIGKILL);
}

TEST_F(VirtualSpawner, AgentsLeaveWhenTheDomainsChange) {
    if (!may_mount()) GTEST_SKIP() << "other users: needs root and mount namespaces";
    start();
    auto by = channels();
    EXPECT_EQ("Vera", AgentQuestions(by).domain_entry("own.test", "vera").user);
    ASSERT_EQ(Outcome::delivered, deliver_to("vera", "own.test").outcome);
    put(etc_ / "domains.cf.new", "bob:own.test:0:not any more\n");
    std::filesystem::rename(etc_ / "domains.cf.new", etc_ / "domains.cf");
    EXPECT_EQ(Outcome::failed, deliver_to("vera", "own.test").outcome);
    wait_until([&] { return agents().empty(); });
    EXPECT_EQ(DomainEntry::Status::temporary, AgentQuestions(by).domain_entry("own.test", "vera").status);
}

TEST(UserName, IsSafeAsAFileName) {
    for (const char* name : {"bob", "Bob", "b.o-b_1", "host$", "bob@ad.example"})
        EXPECT_TRUE(is_safe_user_name(name)) << name;
    for (const char* name : {"", ".bob", "-bob", "a/b", "a b", "a\nb", "..", "a:b", "a'b"})
        EXPECT_FALSE(is_safe_user_name(name)) << name;
}

}  // namespace
}  // namespace postoffice
