#include "postoffice/local/local_agent.h"

#include <dlfcn.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <atomic>

#include "local_delivery.h"
#include "postoffice/base/lock.h"

namespace {
// Shared with agents, which are children. Null, and so unused, outside of the tests that count.
std::atomic<int>* syncs = nullptr;
}  // namespace

// Stands before the one of libc in the link order.
extern "C" int fdatasync(int fd) {
    if (syncs != nullptr) ++*syncs;
    return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace postoffice {
namespace {

using namespace testing_local;

class SyncCounter {
  public:
    SyncCounter() {
        void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) throw_errno("mmap");
        syncs = new (memory) std::atomic<int>(0);
    }
    ~SyncCounter() { ::munmap(std::exchange(syncs, nullptr), 4096); }
    int count() const { return syncs->load(); }
};

/// An agent in a child process, for the user who runs the tests.
class Agent {
  public:
    explicit Agent(const Config& config, Seconds idle = Seconds(300), rlim_t file_size = RLIM_INFINITY)
        : sockets_(packet_socket_pair()), child_([&, this] {
              sockets_.ours.reset();
              const rlimit limit{file_size, file_size};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              return run_local_agent(config, duty_of_account(config, own_account(), {}),
                                     std::move(sockets_.theirs), idle);
          }) {
        sockets_.theirs.reset();
    }
    Fd channel() const { return give_channel(sockets_.ours.get()); }
    int control() const { return sockets_.ours.get(); }
    void close_control() { sockets_.ours.reset(); }
    Child& child() { return child_; }
    /// Stopped, for certain.
    void stop() {
        child_.signal(SIGSTOP);
        int status = 0;
        ::waitpid(child_.pid(), &status, WUNTRACED);
    }

  private:
    SocketPair sockets_;
    Child child_;
};

class LocalAgent : public ::testing::Test {
  protected:
    std::string box() const { return folder_ / "somebody"; }
    Folder folder_;
    Config config_ = config_with(folder_);
};

TEST_F(LocalAgent, DeliversAndAnswers) {
    Agent agent(config_);
    const Fd channel = agent.channel();
    ask(channel.get(), "S: x\n\nhello\n");
    const auto answer = answer_on(channel.get());
    EXPECT_EQ(0, answer.outcome);
    EXPECT_EQ("2.0.0", answer.status.str());
    EXPECT_EQ(1U, count_of(contents(box()),
                           "Return-Path: <a@example.org>\nDelivered-To: somebody@example.org\nS: x\n"));
}

TEST_F(LocalAgent, RequestsThatWaitTogetherShareOneSync) {
    SyncCounter counter;
    Agent agent(config_);
    std::vector<Fd> channels;
    for (int i = 0; i < 40; ++i) channels.push_back(agent.channel());
    for (const Fd& channel : channels) ask(channel.get(), "S: warm\n\n");
    for (const Fd& channel : channels) ASSERT_EQ(0, answer_on(channel.get()).outcome);

    agent.stop();
    const int before = counter.count();
    for (const Fd& channel : channels) ask(channel.get(), "S: together\n\n");
    agent.child().signal(SIGCONT);
    for (const Fd& channel : channels) ASSERT_EQ(0, answer_on(channel.get()).outcome);
    EXPECT_EQ(1, counter.count() - before);
    EXPECT_EQ(40U, count_of(contents(box()), "S: together"));
}

TEST_F(LocalAgent, MoreThanABatchIsServedInTurn) {
    Agent agent(config_);
    agent.stop();
    std::vector<Fd> channels;
    for (std::size_t i = 0; i < most_in_batch * 2 + 5; ++i) {
        channels.push_back(agent.channel());
        ask(channels.back().get(), "S: x\n\n");
        ask(channels.back().get(), "S: y\n\n");
    }
    agent.child().signal(SIGCONT);
    for (const Fd& channel : channels)
        for (int k = 0; k < 2; ++k) ASSERT_EQ(0, answer_on(channel.get()).outcome);
    EXPECT_EQ(channels.size(), count_of(contents(box()), "S: x"));
    EXPECT_EQ(channels.size(), count_of(contents(box()), "S: y"));
}

// The client gives up while the mailbox is locked, leaves the message to the queue, and that asks once more.
TEST_F(LocalAgent, AMessageWhoseClientDidNotWaitIsDeliveredOnce) {
    put(box(), "");
    const Fd mailbox = disk::open(box(), O_RDWR);
    ASSERT_TRUE(try_lock(mailbox.get()));
    Agent agent(config_);
    Fd hasty = agent.channel();
    ask(hasty.get(), "S: once\n\n");
    int unread = 1;
    while (unread != 0) ASSERT_EQ(::ioctl(hasty.get(), SIOCOUTQ, &unread), 0);
    hasty.reset();
    const Fd patient = agent.channel();
    ask(patient.get(), "S: once\n\n");
    unlock_mailbox(mailbox.get());
    EXPECT_EQ(0, answer_on(patient.get()).outcome);
    EXPECT_EQ(1U, count_of(contents(box()), "S: once"));
}

TEST_F(LocalAgent, HostileSenderForgesNoLine) {
    Agent agent(config_);
    const Fd channel = agent.channel();
    ask(channel.get(), "S: x\n\n", "a\nFrom b\nEvil: yes");
    ASSERT_EQ(0, answer_on(channel.get()).outcome);
    EXPECT_EQ(0U, count_of(contents(box()), "\nEvil"));
    EXPECT_EQ(0U, count_of(contents(box()), "\nFrom b"));
}

TEST_F(LocalAgent, OneMessageThatFailsDoesNotFailTheOthers) {
    Agent agent(config_, Seconds(300), 100'000);
    agent.stop();
    const Fd a = agent.channel(), b = agent.channel(), c = agent.channel();
    ask(a.get(), "S: small\n\n");
    ask(b.get(), "S: large\n\n" + std::string(300'000, 'x'));
    ask(c.get(), "S: small\n\n");
    agent.child().signal(SIGCONT);
    EXPECT_EQ(0, answer_on(a.get()).outcome);
    const auto answer = answer_on(b.get());
    EXPECT_EQ(1, answer.outcome);
    EXPECT_EQ("4.2.2", answer.status.str());
    EXPECT_EQ(0, answer_on(c.get()).outcome);
    EXPECT_EQ(2U, count_of(contents(box()), "S: small"));
    EXPECT_EQ(0U, count_of(contents(box()), "S: large"));
}

TEST_F(LocalAgent, WhatIsForbiddenGoesToItsFolder) {
    config_.access.forbidden = {UnwantedMail::Action::folder, "spam"};
    Agent agent(config_);
    const Fd first = agent.channel(), second = agent.channel();
    agent.stop();
    ask(first.get(), "S: bad\n\n", "a@example.org", MailFolder::forbidden);
    ask(second.get(), "S: good\n\n");
    agent.child().signal(SIGCONT);
    EXPECT_EQ(0, answer_on(first.get()).outcome);
    EXPECT_EQ(0, answer_on(second.get()).outcome);
    EXPECT_EQ(1U, count_of(contents(box()), "S: "));
    const std::string folder = contents(box() + ":spam");
    EXPECT_EQ(1U, count_of(folder, "S: bad\n"));
    EXPECT_EQ(1U, count_of(folder, "S: "));
}

TEST_F(LocalAgent, SpamHasAFolderOfItsOwn) {
    config_.access.forbidden = {UnwantedMail::Action::folder, "forbidden"};
    config_.access.spam = {UnwantedMail::Action::folder, "spam"};
    Agent agent(config_);
    const Fd channel = agent.channel();
    ask(channel.get(), "S: spam\n\n", "a@example.org", MailFolder::spam);
    EXPECT_EQ(0, answer_on(channel.get()).outcome);
    ask(channel.get(), "S: forbidden\n\n", "a@example.org", MailFolder::forbidden);
    EXPECT_EQ(0, answer_on(channel.get()).outcome);
    ask(channel.get(), "S: nonsense\n\n", "a@example.org", static_cast<MailFolder>(99));
    EXPECT_EQ(0, answer_on(channel.get()).outcome);
    EXPECT_EQ(1U, count_of(contents(box() + ":spam"), "S: spam"));
    EXPECT_EQ(1U, count_of(contents(box() + ":forbidden"), "S: forbidden"));
    EXPECT_EQ(1U, count_of(contents(box()), "S: nonsense"));
}

TEST_F(LocalAgent, TroubleWithTheFolderIsNoneWithTheMailbox) {
    config_.access.forbidden = {UnwantedMail::Action::folder, "spam"};
    std::filesystem::create_directory(box() + ":spam");
    Agent agent(config_);
    const Fd first = agent.channel(), second = agent.channel();
    agent.stop();
    ask(first.get(), "S: bad\n\n", "a@example.org", MailFolder::forbidden);
    ask(second.get(), "S: good\n\n");
    agent.child().signal(SIGCONT);
    EXPECT_EQ(1, answer_on(first.get()).outcome);
    EXPECT_EQ(0, answer_on(second.get()).outcome);
}

TEST_F(LocalAgent, WithoutAFolderWhatIsForbiddenIsMailLikeOther) {
    Agent agent(config_);
    const Fd channel = agent.channel();
    ask(channel.get(), "S: x\n\n", "a@example.org", MailFolder::forbidden);
    EXPECT_EQ(0, answer_on(channel.get()).outcome);
    EXPECT_EQ(1U, count_of(contents(box()), "S: x"));
    EXPECT_EQ(1U, names_in(folder_.path()).size());
}

TEST_F(LocalAgent, MailboxTroubleIsTemporaryAndANewAgentTriesAgain) {
    Agent agent(config_);
    const Fd channel = agent.channel();
    std::filesystem::create_symlink("/etc/passwd", box());
    ask(channel.get(), "S: x\n\n");
    const auto answer = answer_on(channel.get());
    EXPECT_EQ(1, answer.outcome);
    EXPECT_EQ("4.2.0", answer.status.str());
    EXPECT_EQ("mailbox is a symbolic link", answer.text.str());
    std::filesystem::remove(box());
    // What it was given when it began may be what was wrong: it takes nothing any more.
    EXPECT_EQ(0, agent.child().wait());
    Agent next(config_);
    const Fd other = next.channel();
    ask(other.get(), "S: x\n\n");
    EXPECT_EQ(0, answer_on(other.get()).outcome);
}

TEST_F(LocalAgent, CapturedClientHarmsOnlyItself) {
    Agent agent(config_);
    const Fd good = agent.channel();
    const auto good_one_still_served = [&] {
        ask(good.get(), "S: good\n\n");
        return answer_on(good.get()).outcome == 0;
    };
    const Fd file = disk::memory_file("S: x\n\n");
    const int fd = file.get();
    const std::string_view texts[] = {"", "x", std::string_view("\0\0\0\0", 4)};
    for (const auto text : texts) {
        const Fd bad = agent.channel();
        send_packet(bad.get(), std::as_bytes(std::span(text)));
        EXPECT_EQ(99, answer_on(bad.get()).outcome);
        EXPECT_TRUE(good_one_still_served());
    }
    {
        const Fd bad = agent.channel();
        const std::string large(100'000, 'x');
        send_packet(bad.get(), std::as_bytes(std::span(large)), std::span(&fd, 1));
        EXPECT_EQ(99, answer_on(bad.get()).outcome);
    }
    {
        const Fd bad = agent.channel();
        send_struct(bad.get(), DeliveryRequest{});
        EXPECT_EQ(99, answer_on(bad.get()).outcome);
    }
    {
        const Fd bad = agent.channel();
        DeliveryRequest request;
        request.tag = static_cast<AgentTag>(7);
        send_struct(bad.get(), request, std::span(&fd, 1));
        EXPECT_EQ(99, answer_on(bad.get()).outcome);
    }
    {
        const Fd bad = agent.channel();
        const int many[] = {fd, fd, fd};
        send_struct(bad.get(), DeliveryRequest{}, many);
        EXPECT_EQ(99, answer_on(bad.get()).outcome);
    }
    {
        // Message "files" that would block or never end.
        const Pipe pipe = make_pipe();
        const Fd directory(::open("/", O_RDONLY | O_CLOEXEC)),
            zero(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
        const Fd bad = agent.channel();
        for (const int odd : {pipe.read_end.get(), directory.get(), zero.get(), bad.get()}) {
            send_struct(bad.get(), DeliveryRequest{}, std::span(&odd, 1));
            EXPECT_EQ(1, answer_on(bad.get()).outcome);
        }
    }
    // Control packets from a broken spawner, too.
    send_struct(agent.control(), ChannelHandover{});
    EXPECT_TRUE(good_one_still_served());
    EXPECT_EQ(4U, count_of(contents(box()), "S: good"));
    EXPECT_EQ(0U, count_of(contents(box()), "S: x"));
}

TEST_F(LocalAgent, ClientThatReadsNoAnswersHoldsUpNobody) {
    Agent agent(config_);
    const Fd silent = agent.channel(), good = agent.channel();
    const Fd file = disk::memory_file("S: x\n\n");
    const int fd = file.get();
    const DeliveryRequest request;
    // Until the agent, which cannot get rid of its answers, has closed the channel.
    for (Sent sent = Sent::yes; sent != Sent::gone;)
        sent = send_packet_now(silent.get(), std::as_bytes(std::span(&request, 1)), std::span(&fd, 1));
    ask(good.get(), "S: good\n\n");
    EXPECT_EQ(0, answer_on(good.get()).outcome);
}

TEST_F(LocalAgent, ManyChannelsDoNotUseUpDescriptors) {
    Agent agent(config_);
    std::vector<Fd> channels;
    for (std::size_t i = 0; i < most_agent_channels + 100; ++i) {
        channels.push_back(agent.channel());
        if (i % 64 == 63) {
            ask(channels.back().get(), "S: x\n\n");
            ASSERT_EQ(0, answer_on(channels.back().get()).outcome);
        }
    }
    ask(channels.back().get(), "S: x\n\n");
    EXPECT_EQ(0, answer_on(channels.back().get()).outcome);
    EXPECT_EQ(99, answer_on(channels.front().get()).outcome);
    EXPECT_LE(names_in("/proc/" + std::to_string(agent.child().pid()) + "/fd").size(),
              most_agent_channels + 20);
}

TEST_F(LocalAgent, LeavesWhenIdle) {
    Agent agent(config_, Seconds(1));  // with none at all it may leave before the channel arrives
    const Fd channel = agent.channel();
    EXPECT_EQ(99, answer_on(channel.get()).outcome);
    EXPECT_EQ(0, agent.child().wait());
    EXPECT_THROW(ask(channel.get(), "S: x\n\n"), PeerGone);
}

TEST_F(LocalAgent, WhatWasQueuedIsServedBeforeLeaving) {
    for (const bool by_signal : {false, true}) {
        std::filesystem::remove(box());
        Agent agent(config_);
        const Fd first = agent.channel();
        ask(first.get(), "S: first\n\n");
        ASSERT_EQ(0, answer_on(first.get()).outcome);  // it is up, and would notice a signal
        agent.stop();
        std::vector<Fd> channels;
        for (int i = 0; i < 10; ++i) {
            channels.push_back(agent.channel());
            for (int k = 0; k < 5; ++k) ask(channels.back().get(), "S: x\n\n");
        }
        by_signal ? agent.child().signal(SIGTERM) : agent.close_control();
        agent.child().signal(SIGCONT);
        for (const Fd& channel : channels)
            for (int k = 0; k < 5; ++k) EXPECT_EQ(0, answer_on(channel.get()).outcome);
        for (const Fd& channel : channels) EXPECT_EQ(99, answer_on(channel.get()).outcome);
        EXPECT_EQ(0, agent.child().wait());
        EXPECT_EQ(50U, count_of(contents(box()), "S: x"));
    }
}

TEST_F(LocalAgent, RequestOfAClientThatIsGoneIsNotDelivered) {
    Agent agent(config_);
    agent.stop();
    Fd gone = agent.channel();
    ask(gone.get(), "S: gone\n\n");
    gone.reset();
    const Fd good = agent.channel();
    ask(good.get(), "S: good\n\n");
    agent.child().signal(SIGCONT);
    EXPECT_EQ(0, answer_on(good.get()).outcome);
    EXPECT_EQ(0U, count_of(contents(box()), "S: gone"));
}

TEST_F(LocalAgent, KilledAtAnyMomentEveryAcknowledgedMessageIsThere) {
    for (int round = 0; round < 20; ++round) {
        Agent agent(config_);
        const Fd channel = agent.channel();
        Child killer([&] {
            ::usleep(static_cast<useconds_t>(round * 700));
            ::kill(agent.child().pid(), SIGKILL);
            return 0;
        });
        for (int i = 0; i < 5000; ++i) {
            const std::string tag = "T: " + std::to_string(round) + "-" + std::to_string(i) + ";";
            try {
                ask(channel.get(), tag + "\n\n" + std::string(5000, 'x') + "\n");
            } catch (const PeerGone&) {
                break;
            }
            if (answer_on(channel.get()).outcome != 0) break;
            const std::string all = "\n\n" + contents(box());
            const auto at = all.find("\n" + tag + "\n");
            ASSERT_NE(all.npos, at) << tag;
            ASSERT_EQ(all.rfind("\nFrom ", at) - 1, all.rfind("\n\nFrom ", at)) << tag;
            if (i > 20) std::filesystem::resize_file(box(), 0);
        }
        killer.wait();
    }
}

}  // namespace
}  // namespace postoffice
