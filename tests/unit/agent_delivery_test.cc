#include "postoffice/delivery/agent_delivery.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "lingering_socket.h"
#include "local_delivery.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/process.h"
#include "postoffice/base/request_socket.h"
#include "postoffice/delivery/agent_questions.h"

namespace postoffice {
namespace {

using namespace testing_local;
using Outcome = DeliveryResult::Outcome;

MailboxDelivery to(const std::string& user) {
    return {"q1", user, Address("a", "example.org"), Address(user, "example.org")};
}

/// The other side, played by the test: what a spawner and its agents could do, in a child.
class Peer {
  public:
    using Script = std::function<void(int requests)>;
    explicit Peer(const Script& script)
        : requests_(make_request_socket()), child_([&, this] {
              script(requests_.reader.get());
              return 0;
          }) {
        requests_.reader.reset();
    }
    SpawnerHandle handle() const { return SpawnerHandle(requests_.handle); }
    /// Tells the script that no more requests come. True if it has come to its end and did not throw.
    bool ended_well() {
        const std::byte last_word{};
        try {
            send_request(requests_.handle.get(), std::span(&last_word, 1), {}, Deadline::after(Seconds(60)));
        } catch (const PeerGone&) {  // it has come to its end already
        }
        return child_.wait() == 0;
    }

  private:
    RequestSocket requests_;
    Child child_;
};

struct NewChannel {
    std::string user;
    Fd channel;
};
/// nullopt when no more requests come.
std::optional<NewChannel> next_channel_if_any(int requests) {
    auto received = receive_struct<SpawnRequest>(requests);
    if (!received || received->descriptors.size() != 1) return std::nullopt;
    return NewChannel{received->value.user.str(), std::move(received->descriptors[0])};
}
NewChannel next_channel(int requests) {
    auto channel = next_channel_if_any(requests);
    if (!channel) throw FormatError("no spawn request");
    return std::move(*channel);
}
DeliveryAnswer answer_that(int outcome, const std::string& status, const std::string& text) {
    DeliveryAnswer answer;
    answer.outcome = static_cast<std::uint8_t>(outcome);
    answer.status.assign_cut(status);
    answer.text.assign_cut(text);
    return answer;
}
bool serve_one(const Fd& channel, const std::string& text = "fine") {
    const auto request = receive_struct<DeliveryRequest>(channel.get());
    if (!request) return false;
    send_struct(channel.get(), answer_that(0, "2.0.0", text));
    return true;
}
void refuse_all(const Fd& channel) {
    DeliveryAnswer answer = answer_that(2, "5.1.1", "No such user");
    answer.for_all = 1;
    send_struct(channel.get(), answer);
}

class AgentChannel : public ::testing::Test {
  protected:
    std::vector<DeliveryResult> deliver(AgentChannels& channels, const std::vector<MailboxDelivery>& what) {
        const Fd message = disk::memory_file("S: x\n\n");
        return AgentDelivery(channels).deliver(what, message.get());
    }
    static constexpr Milliseconds long_enough{60'000};
};

TEST_F(AgentChannel, KeepsItsChannelForTheNextMessage) {
    Peer peer([](int requests) {
        auto first = next_channel(requests);
        while (serve_one(first.channel, first.user)) {
        }
    });
    AgentChannels channels(peer.handle(), long_enough);
    for (int i = 0; i < 3; ++i) {
        const auto results = deliver(channels, {to("bob")});
        ASSERT_EQ(1U, results.size());
        EXPECT_EQ(Outcome::delivered, results[0].outcome);
        EXPECT_EQ("bob", results[0].reply.text);
    }
}

TEST_F(AgentChannel, AnswersComeBackInTheOrderOfTheDeliveries) {
    // More users than channels, and more for one user than may wait unanswered.
    std::vector<MailboxDelivery> what;
    for (int i = 0; i < 100; ++i) what.push_back(to("user" + std::to_string(i % 20)));
    for (int i = 0; i < 50; ++i) what.push_back(to("bob"));
    Peer peer([](int requests) {
        std::vector<NewChannel> open;
        for (;;) {
            std::vector<pollfd> polled{{requests, POLLIN, 0}};
            for (const auto& one : open) polled.push_back({one.channel.get(), POLLIN, 0});
            ::poll(polled.data(), polled.size(), -1);
            for (std::size_t i = open.size(); i-- > 0;)
                if (polled[i + 1].revents != 0 && !serve_one(open[i].channel, open[i].user))
                    open.erase(open.begin() + static_cast<long>(i));
            if (polled[0].revents != 0) open.push_back(next_channel(requests));
            if (open.size() > AgentChannels::most_channels + 8) throw FormatError("too many channels");
        }
    });
    AgentChannels channels(peer.handle(), long_enough);
    const auto results = deliver(channels, what);
    ASSERT_EQ(what.size(), results.size());
    for (std::size_t i = 0; i < what.size(); ++i) {
        EXPECT_EQ(Outcome::delivered, results[i].outcome) << i;
        EXPECT_EQ(what[i].user, results[i].reply.text) << i;
    }
}

TEST_F(AgentChannel, RequestThatNoAgentReceivedGoesToAnother) {
    Peer peer([](int requests) {
        const auto first = next_channel(requests);
        (void)receive_struct<DeliveryRequest>(first.channel.get());
        ::shutdown(first.channel.get(), SHUT_RD);  // as an agent does that leaves, before its last answers
        send_struct(first.channel.get(), answer_that(0, "2.0.0", "first"));
        const auto second = next_channel(requests);
        serve_one(second.channel, "second");
    });
    AgentChannels channels(peer.handle(), long_enough);
    EXPECT_EQ("first", deliver(channels, {to("bob")})[0].reply.text);
    EXPECT_EQ("second", deliver(channels, {to("bob")})[0].reply.text);
    EXPECT_TRUE(peer.ended_well());
}

TEST_F(AgentChannel, AgentsThatAllLeaveAreNotAskedForEver) {
    Peer peer([](int requests) {
        while (next_channel_if_any(requests)) {
        }
    });
    AgentChannels channels(peer.handle(), long_enough);
    EXPECT_EQ(Outcome::deferred, deliver(channels, {to("bob")})[0].outcome);
    EXPECT_TRUE(peer.ended_well());
}

TEST_F(AgentChannel, RequestThatAnAgentMayHaveReceivedIsNotSentAgain) {
    Peer peer([](int requests) {
        auto first = next_channel(requests);
        (void)receive_struct<DeliveryRequest>(first.channel.get());
        first.channel.reset();
        if (next_channel_if_any(requests)) throw FormatError("asked again");
    });
    AgentChannels channels(peer.handle(), long_enough);
    EXPECT_EQ(Outcome::deferred, deliver(channels, {to("bob")})[0].outcome);
    EXPECT_TRUE(peer.ended_well());
}

TEST_F(AgentChannel, RefusalStandsForEveryRequestOfThatUser) {
    Peer peer([](int requests) {
        for (int i = 0; i < 20; ++i) {
            auto one = next_channel(requests);
            refuse_all(one.channel);  // and closes it, with requests unread or not yet sent
        }
    });
    for (int i = 0; i < 20; ++i) {
        AgentChannels channels(peer.handle(), long_enough);
        for (const auto& result : deliver(channels, {to("no"), to("no"), to("no")})) {
            EXPECT_EQ(Outcome::failed, result.outcome);
            EXPECT_EQ("5.1.1", result.reply.status);
        }
    }
}

TEST_F(AgentChannel, ChannelWithAnAnswerOutstandingIsNotUsedAgain) {
    Peer peer([](int requests) {
        const auto first = next_channel(requests);
        const auto second = next_channel(requests);  // comes with the second delivery
        pollfd end{first.channel.get(), 0, 0};
        if (::poll(&end, 1, -1) != 1) throw FormatError("the first channel is still open");
    });
    AgentChannels channels(peer.handle(), Milliseconds(20));
    for (int i = 0; i < 2; ++i) {
        const auto results = deliver(channels, {to("bob")});
        EXPECT_EQ(Outcome::deferred, results[0].outcome);
        EXPECT_EQ('4', results[0].reply.status.at(0));
    }
    EXPECT_TRUE(peer.ended_well());
}

// A user stops the agent and sends mail to the mailbox again and again.
TEST_F(AgentChannel, ASilentAgentIsWaitedForOnceAndNotByTheOthers) {
    Peer peer([](int requests) {
        const auto eve = next_channel(requests);  // never answered
        const auto bob = next_channel(requests);
        for (int i = 0; i < 3; ++i) serve_one(bob.channel, bob.user);
        if (next_channel_if_any(requests)) throw FormatError("the silent agent is asked again");
    });
    AgentChannels channels(peer.handle(), Milliseconds(300), Seconds(600), long_enough);
    for (int i = 0; i < 3; ++i) {
        const auto results = deliver(channels, {to("eve"), to("bob")});
        EXPECT_EQ(Outcome::deferred, results[0].outcome);
        EXPECT_TRUE(results[0].is_unanswered);
        EXPECT_EQ(Outcome::delivered, results[1].outcome) << results[1].reply.line();
    }
    EXPECT_EQ(UserFile::Status::temporary, AgentQuestions(channels).find_file("eve", {}).status);
    EXPECT_TRUE(peer.ended_well());
}

TEST_F(AgentChannel, WithoutASpawnerEverythingIsDeferred) {
    RequestSocket box = make_request_socket();
    box.reader.reset();
    AgentChannels channels(SpawnerHandle(box.handle), long_enough);
    const auto results = deliver(channels, {to("bob"), to("eve")});
    ASSERT_EQ(2U, results.size());
    for (const auto& result : results) EXPECT_EQ(Outcome::deferred, result.outcome);
}

TEST_F(AgentChannel, FullRequestSocketIsAMatterOfPatience) {
    const RequestSocket box = make_request_socket();  // without a reader
    const SpawnRequest request;
    const auto fill = [&] {
        for (;;)
            send_request(box.handle.get(), std::as_bytes(std::span(&request, 1)), {},
                         Deadline::after(Milliseconds(20)));
    };
    EXPECT_THROW(fill(), Timeout);
    AgentChannels channels(SpawnerHandle(box.handle), Milliseconds(20));
    EXPECT_EQ(Outcome::deferred, deliver(channels, {to("bob")})[0].outcome);
}

TEST_F(AgentChannel, NonsenseFromAnAgentIsDeferred) {
    for (const auto& [outcome, status] : std::vector<std::pair<int, const char*>>{
             {0, "5.0.0"}, {2, "2.0.0"}, {2, "4.0.0"}, {0, ""}, {9, "2.0.0"}, {1, "x"}}) {
        Peer peer([outcome = outcome, status = status](int requests) {
            auto one = next_channel(requests);
            (void)receive_struct<DeliveryRequest>(one.channel.get());
            send_struct(one.channel.get(), answer_that(outcome, status, ""));
        });
        AgentChannels channels(peer.handle(), long_enough);
        EXPECT_EQ(Outcome::deferred, deliver(channels, {to("bob")})[0].outcome) << outcome << status;
    }
}

struct OtherFile {
    std::string what;
    Fd file, kept;
};

// What a captured agent could send in place of a file in memory.
std::vector<OtherFile> other_files() {
    std::vector<OtherFile> files;
    Pipe pipe = make_pipe();
    files.push_back({"a pipe that says nothing", std::move(pipe.read_end), std::move(pipe.write_end)});
    LingeringSocket lingering;
    files.push_back({"a socket that lingers", std::move(lingering.socket), std::move(lingering.peer)});
    files.push_back({"a file", disk::open("/proc/self/exe", O_RDONLY), {}});
    files.push_back({"memory that changes", Fd(::memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING)), {}});
    return files;
}

FileAnswer found_file() {
    FileAnswer answer;
    answer.status = static_cast<std::uint8_t>(UserFile::Status::found);
    return answer;
}

/// Takes one channel and answers its FileRequest with a sealed file in memory, "bob\n".
NewChannel answer_with_file(int requests) {
    NewChannel one = next_channel(requests);
    (void)receive_struct<FileRequest>(one.channel.get());
    const Fd file = disk::memory_file("bob\n");
    const int descriptors[] = {file.get()};
    send_struct(one.channel.get(), found_file(), descriptors);
    return one;
}

/// Asks in a process of its own, with which goes what it leaves open; gives its exit status.
int ask_in_child(SpawnerHandle spawner, UserFile::Status expected, std::size_t left_open,
                 const Fd& before_end) {
    return Child([&] {
               {
                   AgentChannels channels(spawner, Milliseconds(60'000));
                   if (AgentQuestions(channels).find_file("eve", {}).status != expected) return 1;
                   char nothing = 0;
                   if (before_end && ::read(before_end.get(), &nothing, 1) != 1) return 2;
               }
               return left_open_of_agents() == left_open ? 0 : 3;
           })
        .wait();
}

// Reading or closing these could take for ever, and is not tried.
TEST_F(AgentChannel, DescriptorsThatAreNoFilesInMemoryAreLeftAlone) {
    const std::size_t files = other_files().size();
    for (std::size_t which = 0; which < files; ++which)
        for (const std::size_t copies : {1U, 2U, 100U}) {
            Peer peer([&](int requests) {
                auto one = next_channel(requests);
                (void)receive_struct<FileRequest>(one.channel.get());
                OtherFile other = std::move(other_files()[which]);
                const FileAnswer answer = found_file();
                send_copies(one.channel.get(), std::as_bytes(std::span(&answer, 1)), other.file.get(),
                            copies);
                (void)other.file.release();  // closed by the end of this process, without lingering
                (void)next_channel_if_any(requests);
            });
            EXPECT_EQ(0, ask_in_child(peer.handle(), UserFile::Status::temporary, copies, {}))
                << which << ", " << copies << " copies";
            EXPECT_TRUE(peer.ended_well()) << which;
        }
}

// What is closed with a channel could take for ever, too.
TEST_F(AgentChannel, AChannelWithSomethingUnreadIsLeftOpen) {
    for (const std::size_t octets : {0U, 1U}) {
        Pipe sent = make_pipe();
        Peer peer([&](int requests) {
            const NewChannel one = answer_with_file(requests);
            LingeringSocket lingering;
            send_copies(one.channel.get(), std::as_bytes(std::span("x", octets)), lingering.socket.get(), 1);
            (void)lingering.socket.release();
            (void)!::write(sent.write_end.get(), "x", 1);
            (void)next_channel_if_any(requests);
        });
        EXPECT_EQ(0, ask_in_child(peer.handle(), UserFile::Status::found, 1, sent.read_end)) << octets;
        EXPECT_TRUE(peer.ended_well()) << octets;
    }
}

TEST_F(AgentChannel, AFileInMemoryIsReadAndClosed) {
    Peer peer([&](int requests) {
        const NewChannel one = answer_with_file(requests);
        (void)next_channel_if_any(requests);
    });
    const std::size_t before = left_open_of_agents();
    {
        AgentChannels channels(peer.handle(), long_enough);
        EXPECT_EQ("bob\n", AgentQuestions(channels).find_file("eve", {}).text);
    }
    EXPECT_EQ(before, left_open_of_agents());
    EXPECT_TRUE(peer.ended_well());
}

TEST_F(AgentChannel, AddressThatDoesNotFitIsDeferredAlone) {
    Peer peer([](int requests) {
        std::vector<NewChannel> kept;
        for (int i = 0; i < 2; ++i) kept.push_back(next_channel(requests));
        for (const auto& one : kept) (void)serve_one(one.channel);
    });
    AgentChannels channels(peer.handle(), long_enough);
    auto odd = to("bob");
    odd.recipient = Address(std::string(600, 'x'), "example.org");
    const auto results = deliver(channels, {odd, to("eve")});
    EXPECT_EQ(Outcome::deferred, results[0].outcome);
    EXPECT_EQ(Outcome::delivered, results[1].outcome);
}

}  // namespace
}  // namespace postoffice
