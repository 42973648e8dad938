// Agents for virtual domains: mailboxes belong to the mail account, programs run as the owner.
#include <gtest/gtest.h>

#include "spawner_fixture.h"

namespace postoffice {
namespace {

using namespace testing_local;
using namespace testing_spawner;

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

}  // namespace
}  // namespace postoffice
