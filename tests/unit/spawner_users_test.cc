// Agents become their user and nothing else, and leave places to those of other users. Needs root.
#include <gtest/gtest.h>

#include "spawner_fixture.h"

namespace postoffice {
namespace {

using namespace testing_local;
using namespace testing_spawner;

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

}  // namespace
}  // namespace postoffice
