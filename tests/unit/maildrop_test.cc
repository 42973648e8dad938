// What a maildrop shows of mailboxes of all forms, and what an update leaves: compared with a simple
// reference.
#include "postoffice/maildrop/maildrop.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <random>

#include "mbox_fixture.h"

namespace postoffice {
namespace {

using namespace testing_local;
using namespace testing_mbox;

std::string text_in(Maildrop& drop, std::size_t index) {
    std::string text;
    drop.read(index, [&text](std::string_view piece) {
        text += piece;
        return true;
    });
    return text;
}

std::string with_crlf(const std::string& text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) result += '\r';
        result += text[i];
    }
    return result;
}

class MaildropOfMbox : public Mbox {
  protected:
    using Texts = std::vector<std::string>;
    std::vector<std::string> texts(const std::string& mailbox, const MaildropOptions& options = {}) {
        put(path(), mailbox);
        const auto drop = open_maildrop(path(), options);
        std::vector<std::string> found;
        for (std::size_t i = 0; i < drop->entries().size(); ++i) {
            found.push_back(text_in(*drop, i));
            EXPECT_EQ(with_crlf(found.back()).size(), drop->entries()[i].octets) << found.back();
        }
        return found;
    }
    std::string after_deleting(const std::string& mailbox, const std::vector<bool>& deleted) {
        put(path(), mailbox);
        const auto drop = open_maildrop(path(), {});
        MaildropChanges changes;
        changes.deleted = deleted;
        changes.read.resize(deleted.size());
        drop->update(changes);
        return contents(path());
    }
    std::vector<std::string> uids() {
        std::vector<std::string> found;
        const auto drop = open_maildrop(path(), {});
        for (const MaildropEntry& entry : drop->entries()) found.push_back(entry.uid);
        return found;
    }
};

TEST_F(MaildropOfMbox, IsEmptyWithoutFileAndWithAnEmptyOne) {
    EXPECT_TRUE(open_maildrop(path(), {})->entries().empty());
    EXPECT_EQ(Texts{}, texts(""));
    EXPECT_EQ(Texts{}, texts("\n\n"));
}

TEST_F(MaildropOfMbox, MessagesEndInFrontOfTheEmptyLine) {
    EXPECT_EQ((Texts{"A: 1\n\nx\n", "B: 2\n\ny\n\n"}),
              texts(from_line + "A: 1\n\nx\n\n" + from_line + "B: 2\n\ny\n\n\n"));
}

TEST_F(MaildropOfMbox, FromLineNeedsAnEmptyLineAndADate) {
    const std::string one = "A: 1\n\nx\n" + from_line + "y\n\nFrom me to you\nFrom: z\n";
    EXPECT_EQ(Texts{one}, texts(from_line + one + "\n"));
    EXPECT_EQ(Texts{"A: 1\n"}, texts("From - no date in the first line\nA: 1\n\n"));
    for (const char* line :
         {"From a@b Sat Nov 21 10:00:00 2026", "From a@b Sat Nov 21 10:00 CET 2026",
          "From - Sat, 21 Nov 2026 10:00:00 +0100", "From \"a b\"@c Sat Nov  1 1:00:00 2026\r"})
        EXPECT_EQ(2U, texts(from_line + "\n\n" + line + "\nA: 1\n\n").size()) << line;
}

TEST_F(MaildropOfMbox, TextInFrontOfTheFirstFromLineIsAMessage) {
    EXPECT_EQ((Texts{"lost: text\n\nx\n", "A: 1\n\n"}),
              texts("lost: text\n\nx\n\n" + from_line + "A: 1\n\n\n"));
    EXPECT_EQ((Texts{"From : me\n\nx\n"}), texts("From : me\n\nx\n"));
    EXPECT_EQ("lost: text\n\nx\n\n",
              after_deleting("lost: text\n\nx\n\n" + from_line + "A: 1\n\n", {false, true}));
    EXPECT_EQ(from_line + "A: 1\n\n",
              after_deleting("lost: text\n\nx\n\n" + from_line + "A: 1\n\n", {true, false}));
}

TEST_F(MaildropOfMbox, LastLineWithoutLineEndGetsOne) {
    EXPECT_EQ(Texts{"A: 1\n\nx\n"}, texts(from_line + "A: 1\n\nx"));
    EXPECT_EQ(Texts{"A: 1\n"}, texts(from_line + "A: 1"));
    EXPECT_EQ(from_line + "B: 1\n\nx\n\n",
              after_deleting(from_line + "A: 1\n\n" + from_line + "B: 1\n\nx", {true, false}));
}

TEST_F(MaildropOfMbox, QuotedFromLinesLoseOneMark) {
    const std::string stored = from_line + "A: 1\n\n>From me\n>>From you\n> From x\n>\n\n>From z\n";
    EXPECT_EQ(Texts{"A: 1\n\nFrom me\n>From you\n> From x\n>\n\nFrom z\n"}, texts(stored));
    MaildropOptions plain;
    plain.escape_from = false;
    EXPECT_EQ(Texts{stored.substr(from_line.size())}, texts(stored, plain));
}

TEST_F(MaildropOfMbox, LineEndsAreCountedAsTwo) {
    EXPECT_EQ(Texts{"A: 1\r\n\r\nx\ry\r\nz\n"}, texts(from_line + "A: 1\r\n\r\nx\ry\r\nz\n\r\n"));
    EXPECT_EQ(Texts{std::string("A: 1\n\n\0x\xff\n\r\n", 12)},
              texts(from_line + std::string("A: 1\n\n\0x\xff\n\r\n\n", 13)));
}

TEST_F(MaildropOfMbox, LinesMayBeLong) {
    const std::string line(3'000'000, 'x');
    EXPECT_EQ((Texts{"A: " + line + "\n\n" + line + "\n", line + "\n"}),
              texts(from_line + "A: " + line + "\n\n" + line + "\n\n" + from_line + line));
}

TEST_F(MaildropOfMbox, ContentLengthIsNotTrusted) {
    EXPECT_EQ(2U, texts(from_line + "Content-Length: 1000\n\nx\n\n" + from_line + "A: 1\n\n").size());
}

TEST_F(MaildropOfMbox, DataOfTheFolderIsHiddenAndKept) {
    const std::string data = from_line +
                             "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
                             "X-IMAP: 1700000000 0000000002\nStatus: RO\n\ntext\n\n";
    const std::string mail = from_line + "A: 1\n\nx\n\n";
    EXPECT_EQ(Texts{"A: 1\n\nx\n"}, texts(data + mail));
    EXPECT_EQ(data, after_deleting(data + mail, {true}));
    EXPECT_EQ(2U, texts(mail + data).size());
}

TEST_F(MaildropOfMbox, UidsAreThoseOfWhatDoesNotChange) {
    const auto uid_of = [this](const std::string& message) {
        put(path(), from_line + message);
        return uids().at(0);
    };
    const std::string uid = uid_of("A: 1\nDate: x\n\ntext\nFrom \n");
    EXPECT_EQ(32U, uid.size());
    for (const char* same : {"A: 1\nStatus: RO\nDate: x\n\ntext\n>From \n",
                             "A: 1\nX-Status: A\nX-UID: 3\nDate: x\n\ntext\nFrom \n\n",
                             "Return-Path:\n <a@b>\nA: 1\r\nDate: x\r\n\r\ntext\r\nFrom ",
                             "Content-Length: 10\nLines: 2\nA: 1\nDate: x\n\ntext\nFrom \n"})
        EXPECT_EQ(uid, uid_of(same)) << same;
    for (const char* other : {"A: 1\nDate: y\n\ntext\nFrom \n", "A: 1\nDate: x\n\ntext\n\nFrom \n",
                              "A: 1\nDate: x\n\ntext\rFrom \n"})
        EXPECT_NE(uid, uid_of(other)) << other;
}

TEST_F(MaildropOfMbox, EqualMessagesHaveDifferentUids) {
    put(path(), from_line + "A: 1\n\n\n" + from_line + "A: 1\n\n\n" + from_line + "A: 1\n\n\n");
    const auto found = uids();
    ASSERT_EQ(3U, found.size());
    EXPECT_EQ(found[0] + "-2", found[1]);
    EXPECT_EQ(found[0] + "-3", found[2]);
}

TEST_F(MaildropOfMbox, UpdateLeavesWhatIsNotDeleted) {
    const std::string a = from_line + "A: 1\n\nx\n\n", b = from_line + "B: 1\n\n>From \n\n",
                      c = from_line + "C: 1\n\ny\n\n";
    EXPECT_EQ(a + b + c, after_deleting(a + b + c, {false, false, false}));
    EXPECT_EQ(b + c, after_deleting(a + b + c, {true, false, false}));
    EXPECT_EQ(a + c, after_deleting(a + b + c, {false, true, false}));
    EXPECT_EQ(a, after_deleting(a + b + c, {false, true, true}));
    EXPECT_EQ("", after_deleting(a + b + c, {true, true, true}));
}

TEST_F(MaildropOfMbox, MailThatCameDuringTheSessionStays) {
    const std::string a = from_line + "A: 1\n\nx\n\n", b = from_line + "B: 1\n\ny\n\n";
    for (const std::vector<bool>& deleted : {std::vector<bool>{true, false}, {false, true}, {true, true}}) {
        put(path(), a + b);
        const auto drop = open_maildrop(path(), {});
        deliver(*open_mbox(path()), "N: 1\n\nnew\n");
        EXPECT_EQ("A: 1\n\nx\n", text_in(*drop, 0));
        MaildropChanges changes{deleted, {false, false}, false};
        drop->update(changes);
        const std::string left = contents(path());
        EXPECT_EQ((deleted[0] ? "" : a) + (deleted[1] ? "" : b),
                  left.substr(0, left.find("From a@b.example", deleted[0] + deleted[1] == 2 ? 0 : 5)));
        EXPECT_TRUE(left.ends_with("N: 1\n\nnew\n\n")) << left;
    }
}

// As programs do that neither make a dot lock nor look whether the file that they locked is still the
// mailbox.
TEST_F(MaildropOfMbox, MailThatIsWrittenToTheOldFileIsInTheNewOne) {
    const std::string large = from_line + "A: 1\n\n" + std::string(20'000'000, 'x') + "\n\n";
    put(path(), from_line + "B: 1\n\n\n" + large);
    const auto drop = open_maildrop(path(), {.late_writers = Milliseconds(2'000)});
    const Pipe ready = make_pipe();
    Child writer([&] {
        ::alarm(30);  // the end, if it waits for ever
        const Fd file = disk::open(path(), O_WRONLY | O_APPEND);
        char octet = 1;
        if (::write(ready.write_end.get(), &octet, 1) != 1) return 1;
        const Deadline end = Deadline::after(Milliseconds(20'000));
        while (!end.passed() && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::flock(file.get(), LOCK_UN);
        if (::flock(file.get(), LOCK_EX) != 0) return 1;
        disk::write_all(file.get(), from_line + "C: 1\n\nlate\n\n");
        return 0;
    });
    char octet = 0;
    ASSERT_EQ(1, ::read(ready.read_end.get(), &octet, 1));
    drop->update({{true, false}, {false, false}, false});
    EXPECT_EQ(0, writer.wait());
    EXPECT_TRUE(large + from_line + "C: 1\n\nlate\n\n" == contents(path()));
}

TEST_F(MaildropOfMbox, MessagesAreFoundAgainInAnotherFile) {
    const std::string a = from_line + "A: 1\n\nx\n\n", b = from_line + "B: 1\n\ny\n\n",
                      c = from_line + "C: 1\n\ny\n\n";
    put(path(), a + b + c);
    const auto drop = open_maildrop(path(), {});
    put(folder_ / "other", c + from_line + "Status: RO\nB: 1\n\ny\n\n");
    std::filesystem::rename(folder_ / "other", path());
    EXPECT_EQ("A: 1\n\nx\n", text_in(*drop, 0));
    EXPECT_EQ(2U, drop->update({{true, true, false}, {true, true, true}, false}));
    EXPECT_EQ(c, contents(path()));
}

TEST_F(MaildropOfMbox, MessageThatWasOverwrittenIsNotGiven) {
    put(path(), from_line + "A: 1\n\nx\n\n" + from_line + "B: 1\n\ny\n\n");
    const auto drop = open_maildrop(path(), {});
    put(path(), from_line + "B: 1\n\ny\n\n" + from_line + "A: 1\n\nx\n\n");
    EXPECT_THROW(text_in(*drop, 0), MaildropChanged);
}

TEST_F(MaildropOfMbox, ReadMessagesGetTheirStatusWhenTheFileIsWrittenAnew) {
    put(path(), from_line + "A: 1\n\n\n" + from_line + "Status: O\nX-Status: F\nB: 1\n\n\n" + from_line +
                    "C: 1\r\n\r\nx\n\n");
    open_maildrop(path(), {})->update({{true, false, false}, {true, true, true}, true});
    EXPECT_EQ(
        from_line + "X-Status: F\nB: 1\nStatus: RO\n\n\n" + from_line + "C: 1\r\nStatus: RO\r\n\r\nx\n\n",
        contents(path()));
}

TEST_F(MaildropOfMbox, NewFileHasTheRightsOfTheOld) {
    put(path(), from_line + "A: 1\n\n\n" + from_line + "B: 1\n\n\n");
    ASSERT_EQ(0, ::chmod(path().c_str(), 0640));
    open_maildrop(path(), {})->update({{true, false}, {false, false}, false});
    struct stat status {};
    ASSERT_EQ(0, ::stat(path().c_str(), &status));
    EXPECT_EQ(0640U, status.st_mode & 07777);
    EXPECT_EQ(from_line + "B: 1\n\n\n", contents(path()));
}

TEST_F(MaildropOfMbox, LinksAreNoMailbox) {
    put(folder_ / "real", "");
    std::filesystem::create_symlink(folder_ / "real", path());
    EXPECT_THROW(open_maildrop(path(), {}), UnfitMailbox);
    std::filesystem::remove(path());
    std::filesystem::create_hard_link(folder_ / "real", path());
    EXPECT_THROW(open_maildrop(path(), {}), UnfitMailbox);
}

// Mailboxes of random pieces: what is shown and what is left is compared with messages that the test knows.
TEST_F(MaildropOfMbox, ShowsAndKeepsRandomMessages) {
    const std::vector<std::string> pieces{"x\n",
                                          "From me\n",
                                          ">From you\n",
                                          "\n",
                                          "\n\n",
                                          "\r\n",
                                          "a\rb\n",
                                          "From a@b Sat Nov 21 10:00:00 2026\n",
                                          ">>From a@b Sat Nov 21 10:00:00 2026\n",
                                          ".\n",
                                          std::string("\0\xfe\n", 3),
                                          std::string(70000, 'l') + "\n",
                                          "Status: O\n",
                                          "X-IMAP: 1 2\n"};
    std::mt19937 random(1);
    for (int round = 0; round < 200; ++round) {
        std::filesystem::remove(path());
        std::vector<std::string> stored;
        Texts texts_of_messages;
        const auto count = random() % 6;
        for (unsigned i = 0; i < count; ++i) {
            std::string message = "Subject: " + std::to_string(random() % 4) + "\n\n";
            for (auto n = random() % 8; n > 0; --n) message += pieces[random() % pieces.size()];
            const std::string before = std::filesystem::exists(path()) ? contents(path()) : "";
            deliver(*open_mbox(path()), message);
            stored.push_back(contents(path()).substr(before.size()));
            texts_of_messages.push_back(stamp_ + message);
        }
        const std::string all = std::filesystem::exists(path()) ? contents(path()) : "";
        EXPECT_EQ(texts_of_messages, texts(all));
        std::vector<bool> deleted;
        std::string left;
        for (const std::string& message : stored) {
            deleted.push_back(random() % 2 == 0);
            if (!deleted.back()) left += message;
        }
        ASSERT_EQ(left, after_deleting(all, deleted)) << round;
    }
}

}  // namespace
}  // namespace postoffice
