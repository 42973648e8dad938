#include "postoffice/queue/drop.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "postoffice/base/error.h"
#include "spool_folder.h"

namespace postoffice {
namespace {

using test::make_older;
using test::read_file;
using test::write_file;

class DropTest : public ::testing::Test {
  protected:
    std::string write(const std::string& text = "Subject: x\n\nbody\n") {
        Message message(folder_.path());
        message.append(text);
        return write_drop(folder_.path(), envelope_, message);
    }
    /// A file as a writer could have left it. Its envelope is 47 octets, the message 5.
    static std::string drop_text() {
        return "postoffice drop 1 envelope 47 message 5\nfrom: <bob@b.test>\nbody: 7BIT\nto: "
               "<al@a.test>\n\nbody\n";
    }
    std::optional<Drop> open_text(const std::string& text) {
        write_file(folder_ / "D1", text);
        return open_drop(folder_.path(), "D1", 10);
    }
    test::TemporaryFolder folder_;
    WireEnvelope envelope_{Address("bob", "b.test"),
                           {Address("al", "a.test"), Address("john doe", "a.test")},
                           {Body::eight_bit_mime}};
};

TEST_F(DropTest, ComesBackAsWritten) {
    for (const std::string& text :
         {std::string("Subject: x\n\nbody\n"), std::string(300'000, 'x'), std::string()}) {
        const std::string id = write(text);
        const auto drop = open_drop(folder_.path(), id, 10);
        ASSERT_TRUE(drop);
        EXPECT_EQ(drop->envelope.sender, envelope_.sender);
        EXPECT_EQ(drop->envelope.recipients, envelope_.recipients);
        EXPECT_EQ(drop->envelope.parameters.body, Body::eight_bit_mime);
        EXPECT_EQ(drop->owner, ::getuid());
        EXPECT_EQ(drop->message_size, text.size());
        EXPECT_EQ(disk::read_all(drop->file.get(), 1U << 20), text);
    }
}

TEST_F(DropTest, KeepsWhatTheSenderWantsToHear) {
    envelope_.parameters.smtputf8 = true;
    envelope_.parameters.return_part = ReturnPart::full;
    envelope_.parameters.envelope_id = "a+20b";
    envelope_.recipients[0].wishes = {*parse_notify("SUCCESS,FAILURE"),
                                      original_recipient_of(Address("j\xc3\xb6rg \"+", "a.test"))};
    envelope_.recipients[1].wishes.notify.never = true;
    const auto drop = open_drop(folder_.path(), write(), 10);
    ASSERT_TRUE(drop);
    EXPECT_TRUE(drop->envelope.parameters.smtputf8);
    EXPECT_EQ(drop->envelope.parameters.return_part, ReturnPart::full);
    EXPECT_EQ(drop->envelope.parameters.envelope_id, "a+20b");
    EXPECT_EQ(drop->envelope.recipients, envelope_.recipients);
}

TEST_F(DropTest, KeepsHowTheSubmitterGotIt) {
    envelope_.handover = {"ESMTP", "gw.test"};
    const auto drop = open_drop(folder_.path(), write("x\n"), 10);
    ASSERT_TRUE(drop);
    EXPECT_EQ(drop->envelope.handover.protocol, "ESMTP");
    EXPECT_EQ(drop->envelope.handover.host, "gw.test");
    envelope_.handover.host = "a\nto: <eve@a.test>";
    EXPECT_THROW(write("x\n"), std::system_error);
}

TEST_F(DropTest, NullSenderIsASender) {
    envelope_.sender = Address();
    EXPECT_TRUE(open_drop(folder_.path(), write(), 10)->envelope.sender.is_null());
}

TEST_F(DropTest, GroupMayReadItWhateverTheUmask) {
    const mode_t old = ::umask(0777);
    const std::string id = write();
    ::umask(old);
    struct stat status {};
    ASSERT_EQ(::stat((folder_ / id).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0640U);
}

TEST_F(DropTest, NeedsNoMoreThanTheRightToCreate) {
    // As root, a child becomes another user; otherwise the owner takes the right to list from itself.
    const bool is_root = ::getuid() == 0;
    constexpr uid_t nobody = 65534;
    ASSERT_EQ(::chmod(folder_.path().c_str(), is_root ? 01733 : 0300), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        if (is_root && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) ::_exit(2);
        try {
            (void)write();
        } catch (const std::system_error&) {
            ::_exit(1);
        }
        ::_exit(0);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    ASSERT_EQ(::chmod(folder_.path().c_str(), 0700), 0);
    const auto ids = list_drops(folder_.path());
    ASSERT_EQ(ids.size(), 1U);
    EXPECT_EQ(open_drop(folder_.path(), ids[0], 10)->owner, is_root ? nobody : ::getuid());
}

TEST_F(DropTest, WriterThatCannotWriteLeavesNothing) {
    Message message(folder_.path());
    EXPECT_THROW(write_drop(folder_ / "missing", envelope_, message), std::system_error);
    envelope_.recipients.push_back(Address("evil\nto: <x@y>", "a.test"));
    EXPECT_THROW(write_drop(folder_.path(), envelope_, message), std::system_error);
    EXPECT_TRUE(folder_.names().empty());
}

TEST_F(DropTest, EveryCutIsUnfinished) {
    const std::string text = drop_text();
    ASSERT_TRUE(open_text(text));
    for (std::size_t n = 0; n < text.size(); ++n) {
        EXPECT_FALSE(open_text(text.substr(0, n))) << n;
        EXPECT_TRUE(list_drops(folder_.path()).empty()) << n;
    }
}

TEST_F(DropTest, ListsFinishedOnesInOrder) {
    const std::string first = write(), second = write();
    write_file(folder_ / "D1", drop_text().substr(0, 30));
    write_file(folder_ / "not.an.id", drop_text());
    write_file(folder_ / "zz", "garbage\n");  // sorts last; for open_drop() to say what is wrong
    EXPECT_EQ(list_drops(folder_.path()), (std::vector<std::string>{first, second, "zz"}));
}

TEST_F(DropTest, SweepRemovesOldUnfinishedOnes) {
    const std::string finished = write();
    write_file(folder_ / "D1", drop_text().substr(0, 30));
    write_file(folder_ / "D2", "");
    write_file(folder_ / "D3", "postoffice");
    make_older(folder_ / finished, 100);
    make_older(folder_ / "D1", 100);
    make_older(folder_ / "D2", 100);
    EXPECT_EQ(sweep_drops(folder_.path(), Seconds(50)), 2U);
    EXPECT_EQ(folder_.names(), (std::vector<std::string>{finished, "D3"}));
}

TEST_F(DropTest, WhatAWriterSpilledIsNoDrop) {
    Message message(folder_.path());
    message.append(std::string(100'000, 'x'));
    const std::string spilled = folder_.names().at(0);
    EXPECT_TRUE(list_drops(folder_.path()).empty());
    EXPECT_FALSE(open_drop(folder_.path(), spilled, 10));
    make_older(folder_ / spilled, 100);
    EXPECT_EQ(sweep_drops(folder_.path(), Seconds(200)), 0U);
    EXPECT_EQ(sweep_drops(folder_.path(), Seconds(50)), 1U);
}

TEST_F(DropTest, WhatIsGoneIsNoError) {
    EXPECT_FALSE(open_drop(folder_.path(), "D1", 10));
    EXPECT_FALSE(open_drop(folder_.path(), "../D1", 10));
}

TEST_F(DropTest, OnlyRegularFilesWithOneName) {
    ASSERT_EQ(::symlink("/etc/passwd", (folder_ / "L1").c_str()), 0);
    ASSERT_EQ(::mkfifo((folder_ / "F1").c_str(), 0600), 0);
    ASSERT_EQ(::mkdir((folder_ / "S1").c_str(), 0700), 0);
    write_file(folder_ / "H1", drop_text());
    disk::link(folder_ / "H1", folder_ / "H2");
    for (const char* id : {"L1", "F1", "S1", "H1", "H2"})
        EXPECT_THROW((void)open_drop(folder_.path(), id, 10), FormatError) << id;
    EXPECT_EQ(list_drops(folder_.path()).size(), 5U);
}

TEST_F(DropTest, RefusesWhatItWouldNotWrite) {
    const auto with_envelope = [](const std::string& envelope) {
        return "postoffice drop 1 envelope " + std::to_string(envelope.size()) + " message 5\n" + envelope +
               "body\n";
    };
    const std::string to_many = [] {
        std::string text = "from: <>\n";
        for (int i = 0; i < 11; ++i) text += "to: <al@a.test>\n";
        return text + "\n";
    }();
    for (const std::string& text :
         {std::string("garbage\n"),
          std::string(200, 'x'),
          drop_text() + "x",
          "postoffice drop 1 envelope 99999999999999999999999999 message 5\n" + std::string(100, 'x'),
          std::string("postoffice drop 1 envelope -1 message 5\nabcd"),
          std::string("postoffice drop 1 envelope 5\n"),
          with_envelope("from: <>\nto: <al@a.test>\n"),
          with_envelope("from: <>\n\n"),
          with_envelope("to: <al@a.test>\n\n"),
          with_envelope("from: <>\nto: <>\n\n"),
          with_envelope("from: <>\nto: al@a.test\n\n"),
          with_envelope("from: <>\nto: <al@a.test> NOTIFY=NEVER,DELAY\n\n"),
          with_envelope("from: <>\nto: <al@a.test> ORCPT=rfc822\n\n"),
          with_envelope("from: <>\nto: <al@a.test> SIZE=5\n\n"),
          with_envelope("from: <> RET=FULL\nto: <al@a.test>\n\n"),
          with_envelope("from: <>\nreturn: ALL\nto: <al@a.test>\n\n"),
          with_envelope("from: <>\nenvid: a b\nto: <al@a.test>\n\n"),
          with_envelope("from: <a@a.test>\nfrom: <b@b.test>\nto: <al@a.test>\n\n"),
          with_envelope("from: <>\nto: <a@a.test>\nuid: 0\n\n"),
          with_envelope("from: <>\nreceived-with: \x01\nto: <a@a.test>\n\n"),
          with_envelope("from: <>\nreceived-from: " + std::string(300, 'x') + "\nto: <a@a.test>\n\n"),
          with_envelope("from: <>\nto: <a b@a.test>\n\n"),
          with_envelope("from: <>\n\nto: <al@a.test>\n\n"),
          with_envelope(to_many),
          with_envelope(std::string(100'000, 'x'))})
        EXPECT_THROW((void)open_text(text), FormatError) << text.substr(0, 300);
}

TEST_F(DropTest, HugeEnvelopeIsNotRead) {
    write_file(folder_ / "D1", "postoffice drop 1 envelope 1000000000000 message 0\n");
    const off_t size = 1'000'000'000'000 + 51;
    if (::truncate((folder_ / "D1").c_str(), size) != 0) GTEST_SKIP() << "no sparse files of that size";
    EXPECT_THROW((void)open_drop(folder_.path(), "D1", 10), FormatError);
}

}  // namespace
}  // namespace postoffice
