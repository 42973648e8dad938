// The index beside a maildrop: it saves reading, keeps ids, and is never believed over the mailbox.
#include <sys/stat.h>

#include "../../src/maildrop/index.h"
#include "../../src/maildrop/unique_ids.h"
#include "mbox_fixture.h"
#include "postoffice/maildrop/maildrop.h"

namespace postoffice {
namespace {

using namespace testing_local;
using namespace testing_mbox;

MaildropIndex some_index() {
    MaildropIndex index;
    index.file = {7, 100, 1, 2};
    index.seen = 3;
    index.messages = {{{0, 40, 60, 61}, 25, {1, 2}, 0, 0, "one", "-"},
                      {{61, 80, 100, 100}, 21, {3, 4}, 0, 0, "two", "-"}};
    index.gone = {"three"};
    return index;
}

TEST(MaildropIndexText, IsReadAsItWasWritten) {
    const std::string text = some_index().to_text();
    const auto read = MaildropIndex::parse(text);
    ASSERT_TRUE(read);
    EXPECT_EQ(text, read->to_text());
    EXPECT_EQ(2U, read->messages.size());
    EXPECT_EQ((Hash128{3, 4}), read->messages[1].hash);
}

TEST(MaildropIndexText, IsRefusedAfterAnyChange) {
    const std::string text = some_index().to_text();
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string other = text;
        other[i] = static_cast<char>(other[i] ^ 1);
        EXPECT_FALSE(MaildropIndex::parse(other)) << i;
        EXPECT_FALSE(MaildropIndex::parse(text.substr(0, i))) << i;
    }
    EXPECT_FALSE(MaildropIndex::parse(text + "x"));
}

TEST(MaildropIndexText, IsRefusedIfItCannotBeTrue) {
    const auto refused = [](const std::function<void(MaildropIndex&)>& change) {
        MaildropIndex index = some_index();
        change(index);
        return !MaildropIndex::parse(index.to_text());
    };
    EXPECT_FALSE(refused([](MaildropIndex&) {}));
    EXPECT_TRUE(refused([](MaildropIndex& index) { index.messages[1].place.next = 101; }));
    EXPECT_TRUE(refused([](MaildropIndex& index) { index.messages[1].place.start = 60; }));
    EXPECT_TRUE(refused([](MaildropIndex& index) { index.messages[0].place.end = 39; }));
    EXPECT_TRUE(refused([](MaildropIndex& index) { index.messages[1].uid = "one"; }));
    EXPECT_TRUE(refused([](MaildropIndex& index) { index.messages[1].uid = "t wo"; }));
    EXPECT_TRUE(refused([](MaildropIndex& index) { index.messages[1].uid = std::string(71, 'x'); }));
    EXPECT_TRUE(refused([](MaildropIndex& index) { index.gone.front() = "\x7f"; }));
}

TEST(MaildropIndexText, HasOnlyTheLastIdsOfDeletedMessages) {
    MaildropIndex index = some_index();
    index.gone.assign(MaildropIndex::most_gone, "old");
    const MaildropIndex rest = index.without({true, false});
    EXPECT_EQ(MaildropIndex::most_gone, rest.gone.size());
    EXPECT_EQ("one", rest.gone.back());
    EXPECT_EQ(1U, rest.messages.size());
}

class MaildropWithIndex : public Mbox {
  protected:
    std::string index_path() const { return folder_ / ".somebody.pop3"; }
    /// So that its time is not that of the current tick.
    void put_old(const std::string& text) {
        put(path(), text);
        std::filesystem::last_write_time(
            path(), std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
        // The time of the change of the node cannot be set.
        ::usleep(50'000);
    }
    std::vector<std::string> uids() {
        const auto drop = open_maildrop(path(), {});
        std::vector<std::string> found;
        for (const MaildropEntry& entry : drop->entries()) found.push_back(entry.uid);
        return found;
    }
    /// Gives the messages ids by which the test sees that the index was used.
    void rename_ids(const std::function<void(MaildropIndex&)>& change = [](MaildropIndex&) {}) {
        auto index = MaildropIndex::parse(contents(index_path()));
        ASSERT_TRUE(index);
        unsigned number = 0;
        for (IndexedMessage& message : index->messages) message.uid = "known-" + std::to_string(++number);
        change(*index);
        put(index_path(), index->to_text());
    }
    const std::string a_ = from_line + "A: 1\n\nx\n\n", b_ = from_line + "B: 1\n\ny\n\n",
                      c_ = from_line + "C: 1\n\nz\n\n";
    using Uids = std::vector<std::string>;
};

TEST_F(MaildropWithIndex, MailboxThatDidNotChangeIsNotReadAgain) {
    put_old(a_ + b_);
    uids();
    rename_ids([](MaildropIndex& index) { index.messages[0].octets = 12345; });
    const auto drop = open_maildrop(path(), {});
    EXPECT_EQ(12345U, drop->entries().at(0).octets);
}

TEST_F(MaildropWithIndex, OnlyWhatWasAppendedIsRead) {
    put_old(a_ + b_);
    uids();
    rename_ids([](MaildropIndex& index) { index.messages[0].octets = 12345; });
    deliver(*open_mbox(path()), "C: 1\n\nz\n");
    const auto drop = open_maildrop(path(), {});
    ASSERT_EQ(3U, drop->entries().size());
    EXPECT_EQ(12345U, drop->entries()[0].octets);
    EXPECT_EQ("known-2", drop->entries()[1].uid);
    EXPECT_EQ(32U, drop->entries()[2].uid.size());
}

TEST_F(MaildropWithIndex, IdsStayWhateverAnotherProgramDoesWithTheMailbox) {
    put_old(a_ + b_ + c_);
    uids();
    rename_ids();
    put_old(c_ + a_ + from_line + "Status: RO\nB: 1\n\ny\n\n");
    EXPECT_EQ((Uids{"known-3", "known-1", "known-2"}), uids());
    put_old(b_ + a_);
    EXPECT_EQ((Uids{"known-2", "known-1"}), uids());
    put_old(from_line + "A: 2\n\nx\n\n" + a_.substr(0, a_.size() - 2));
    EXPECT_EQ("known-1", uids().at(1));
}

TEST_F(MaildropWithIndex, SizeOfAMailboxThatWasChangedInPlaceIsNotTakenFromTheIndex) {
    put_old(a_ + b_);
    uids();
    rename_ids([](MaildropIndex& index) { index.messages[0].octets = 12345; });
    put_old(b_ + a_);
    const auto drop = open_maildrop(path(), {});
    EXPECT_EQ(11U, drop->entries().at(0).octets);
    EXPECT_EQ("known-2", drop->entries().at(0).uid);
}

TEST_F(MaildropWithIndex, IdOfADeletedMessageIsNotUsedAgain) {
    put_old(a_ + b_);
    const Uids first = uids();
    EXPECT_EQ(1U, open_maildrop(path(), {})->update({{true, false}, {false, false}, false}));
    put(path(), b_ + a_);
    EXPECT_EQ((Uids{first[1], first[0] + "-2"}), uids());
}

TEST_F(MaildropWithIndex, BadIndexIsReplaced) {
    put_old(a_ + b_);
    const Uids ids = uids();
    const std::string good = contents(index_path());
    for (const std::string& bad :
         {std::string(), std::string("garbage"), good.substr(0, good.size() / 2), good + good}) {
        put(index_path(), bad);
        EXPECT_EQ(ids, uids());
        EXPECT_TRUE(MaildropIndex::parse(contents(index_path()))) << bad;
    }
    put(folder_ / "elsewhere", "precious");
    std::filesystem::remove(index_path());
    std::filesystem::create_symlink(folder_ / "elsewhere", index_path());
    EXPECT_EQ(ids, uids());
    EXPECT_EQ("precious", contents(folder_ / "elsewhere"));
    EXPECT_TRUE(std::filesystem::is_regular_file(std::filesystem::symlink_status(index_path())));
}

TEST_F(MaildropWithIndex, IndexThatOthersMayWriteIsNotBelieved) {
    put_old(a_ + b_);
    const Uids ids = uids();
    rename_ids();
    ASSERT_EQ(0, ::chmod(index_path().c_str(), 0660));
    EXPECT_EQ(ids, uids());
    struct stat status {};
    ASSERT_EQ(0, ::stat(index_path().c_str(), &status));
    EXPECT_EQ(0600U, status.st_mode & 07777);
}

TEST_F(MaildropWithIndex, SecondSessionIsRefusedUntilTheFirstEnds) {
    put(path(), a_ + b_);
    auto first = open_maildrop(path(), {});
    EXPECT_THROW(open_maildrop(path(), {}), MaildropInUse);
    deliver(*open_mbox(path()), "C: 1\n\nz\n");
    first->update({{true, false}, {false, false}, false});
    EXPECT_THROW(open_maildrop(path(), {}), MaildropInUse);
    first.reset();
    EXPECT_EQ(2U, uids().size());
}

TEST_F(MaildropWithIndex, SessionThatIsKilledLeavesTheMaildropFree) {
    put(path(), a_);
    Child session([this] {
        const auto drop = open_maildrop(path(), {});
        ::raise(SIGKILL);
        return 0;
    });
    session.wait();
    EXPECT_EQ(1U, uids().size());
}

TEST(UniqueIds, AreDifferentForManyEqualMessages) {
    UniqueIds ids;
    std::set<std::string> seen;
    for (int i = 0; i < 20'000; ++i) EXPECT_TRUE(seen.insert(ids.assign({1, 2})).second);
}

}  // namespace
}  // namespace postoffice
