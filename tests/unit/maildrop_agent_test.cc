// The agent of a POP3 session, asked in structs.
#include "postoffice/maildrop/maildrop_agent.h"

#include "mbox_fixture.h"
#include "postoffice/base/packet.h"
#include "postoffice/maildrop/maildrop.h"
#include "postoffice/maildrop/maildrop_protocol.h"

namespace postoffice {
namespace {

using namespace testing_local;
using namespace testing_mbox;

class MaildropAgentTest : public Mbox {
  protected:
    /// Opens `mailbox`, of one message.
    void start(const std::string& mailbox) {
        put(path(), mailbox);
        agent_ = std::make_unique<Child>([this] {
            channel_.ours.reset();
            return run_maildrop_agent({"user", path()}, std::move(channel_.theirs));
        });
        channel_.theirs.reset();
        EXPECT_EQ(receive<MaildropOpened>().status, MaildropStatus::done);
        EXPECT_EQ(receive<MaildropItems>().count, 1u);
    }
    template <class T>
    T receive() {
        std::vector<std::byte> packet(sizeof(T));
        const auto received = receive_packet(channel_.ours.get(), packet, Deadline::after(Seconds(20)));
        return std::get<T>(parse_tagged<T>(std::span(packet).first(received.value().size)).value());
    }

    SocketPair channel_ = packet_socket_pair();
    std::unique_ptr<Child> agent_;
};

TEST_F(MaildropAgentTest, LetsOthersOpenTheMailboxBeforeItAnswersTheUpdate) {
    const std::string mailbox = "From a@x.test Sat Nov 21 10:00:00 2026\nSubject: one\n\ntext\n\n";
    for (const bool deletes : {false, true}) {
        channel_ = packet_socket_pair();
        start(mailbox);
        EXPECT_THROW((void)open_maildrop(path(), {}), MaildropInUse);
        MaildropMarks marks;
        marks.deleted.set(0);
        if (deletes) send_struct(channel_.ours.get(), marks);
        send_struct(channel_.ours.get(), MaildropUpdate());
        const auto answer = receive<MaildropAnswer>();
        EXPECT_EQ(answer.status, MaildropStatus::done);
        EXPECT_EQ(answer.removed, deletes ? 1u : 0u);
        EXPECT_EQ(open_maildrop(path(), {})->entries().size(), deletes ? 0u : 1u);
        EXPECT_EQ(contents(path()), deletes ? "" : mailbox);
        agent_.reset();
    }
}

}  // namespace
}  // namespace postoffice
