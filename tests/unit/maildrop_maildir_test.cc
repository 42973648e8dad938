// What a maildrop shows of a maildir, while mail readers rename its files, and what an update leaves.
#include <sys/stat.h>

#include "local_delivery.h"
#include "postoffice/local/mailbox.h"
#include "postoffice/maildrop/maildrop.h"

namespace postoffice {
namespace {

using namespace testing_local;
namespace fs = std::filesystem;

class MaildropOfMaildir : public ::testing::Test {
  protected:
    MaildropOfMaildir() {
        for (const char* folder : {"", "/tmp", "/new", "/cur"}) fs::create_directory(path() + folder);
    }
    std::string path() const { return folder_ / "box"; }
    std::unique_ptr<Maildrop> open() { return open_maildrop(path() + "/", {}); }
    void put(const std::string& name, const std::string& text) {
        disk::write_all(disk::open(path() + name, O_WRONLY | O_CREAT | O_TRUNC, 0600).get(), text);
    }
    static std::string text_of(Maildrop& drop, std::size_t index) {
        std::string text;
        drop.read(index, [&text](std::string_view piece) {
            text += piece;
            return true;
        });
        return text;
    }
    std::vector<std::string> uids() {
        std::vector<std::string> found;
        const auto drop = open();
        for (const MaildropEntry& entry : drop->entries()) found.push_back(entry.uid);
        return found;
    }
    std::set<std::string> files(const std::string& folder) const {
        std::set<std::string> names;
        for (const auto& entry : fs::directory_iterator(path() + folder))
            names.insert(entry.path().filename());
        return names;
    }
    Folder folder_;
};

TEST_F(MaildropOfMaildir, IsEmptyWithoutFolderAndWithAnEmptyOne) {
    EXPECT_TRUE(open()->entries().empty());
    EXPECT_TRUE(open_maildrop(folder_ / "none/", {})->entries().empty());
}

TEST_F(MaildropOfMaildir, MessagesAreInTheOrderOfDelivery) {
    put("/cur/1000000000.M3P1.host:2,S", "A: 2\n\n");
    put("/new/999999999.P1.host", "A: 1\n\n");
    put("/new/1000000000.M20P1.host", "A: 3\n\nFrom \n>From \nx");
    put("/new/.hidden", "no mail");
    fs::create_directory(path() + "/new/folder");
    fs::create_symlink("/etc/passwd", path() + "/new/link");
    ASSERT_EQ(0, ::mkfifo((path() + "/new/fifo").c_str(), 0600));
    const auto drop = open();
    ASSERT_EQ(3U, drop->entries().size());
    EXPECT_EQ("A: 1\n\n", text_of(*drop, 0));
    EXPECT_EQ("A: 2\n\n", text_of(*drop, 1));
    EXPECT_EQ("A: 3\n\nFrom \n>From \nx\n", text_of(*drop, 2));
    EXPECT_EQ(26U, drop->entries()[2].octets);
}

TEST_F(MaildropOfMaildir, FilesThatAReaderMovedAreFoundAgain) {
    put("/new/1.a", "A: 1\n\n");
    put("/cur/2.b:2,", "A: 2\n\n");
    put("/new/3.c", "A: 3\n\n");
    const auto drop = open();
    fs::rename(path() + "/new/1.a", path() + "/cur/1.a:2,S");
    fs::rename(path() + "/cur/2.b:2,", path() + "/cur/2.b:2,FS");
    fs::remove(path() + "/new/3.c");
    EXPECT_EQ("A: 1\n\n", text_of(*drop, 0));
    EXPECT_THROW(text_of(*drop, 2), MaildropChanged);
    EXPECT_EQ(3U, drop->update({{true, true, true}, {false, false, false}, false}));
    EXPECT_TRUE(files("/cur").empty());
}

TEST_F(MaildropOfMaildir, UpdateLeavesWhatIsNotDeletedAndMarksWhatWasRead) {
    for (const char* name : {"/new/1.a", "/new/2.b", "/cur/3.c:2,RT", "/cur/4.d:2,S", "/new/5.e"})
        put(name, name);
    EXPECT_EQ(1U,
              open()->update({{true, false, false, false, false}, {true, true, true, true, false}, true}));
    EXPECT_EQ((std::set<std::string>{"2.b:2,S", "3.c:2,RST", "4.d:2,S"}), files("/cur"));
    EXPECT_EQ(std::set<std::string>{"5.e"}, files("/new"));
}

TEST_F(MaildropOfMaildir, HasTheUidsOfAnMboxWithTheSameMessages) {
    const std::string message = "Subject: x\n\nFrom me\n\nlast line";
    const DeliveryStamp stamp{"a@b.example", "c@d.example"};
    for (const auto& box : {open_maildir(path(), "host"), open_mbox(folder_ / "mbox")}) {
        for (const std::string& text : {message, message, "A: 1\n\n" + message}) {
            box->begin();
            box->append(stamp, disk::memory_file(text).get());
            box->finish();
        }
    }
    const auto mbox = open_maildrop(folder_ / "mbox", {});
    const auto found = uids();
    ASSERT_EQ(3U, found.size());
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(mbox->entries()[i].uid, found[i]) << i;
    EXPECT_NE(found[0], found[2]);
}

TEST_F(MaildropOfMaildir, LinksAreNoMaildir) {
    fs::create_symlink(path(), folder_ / "link");
    EXPECT_THROW(open_maildrop(folder_ / "link/", {}), UnfitMailbox);
    fs::remove(path() + "/new");
    fs::create_symlink(path() + "/cur", path() + "/new");
    EXPECT_THROW(open(), UnfitMailbox);
}

}  // namespace
}  // namespace postoffice
