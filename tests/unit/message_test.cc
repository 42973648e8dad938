#include "postoffice/queue/message.h"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>

#include "spool_folder.h"

namespace postoffice {
namespace {

using test::read_file;
using test::TemporaryFolder;
using test::write_file;

const std::string large(Message::memory_limit + 1, 'x');

std::string contents(const Fd& fd) {
    return disk::read_all(fd.get(), 10U << 20);
}

TEST(Message, StaysInMemoryUpToTheLimit) {
    const TemporaryFolder folder;
    Message message(folder.path());
    message.append(std::string(Message::memory_limit, 'x'));
    EXPECT_TRUE(folder.names().empty());
    message.append("y");
    ASSERT_EQ(folder.names().size(), 1U);
    EXPECT_EQ(folder.names()[0].substr(0, 2), "tm");
    EXPECT_EQ(message.size(), Message::memory_limit + 1);
    EXPECT_EQ(contents(message.open_for_reading()), std::string(Message::memory_limit, 'x') + "y");
}

// What is appended octet by octet must not cost a system call for each.
TEST(Message, ManySmallPiecesAreWrittenInBlocks) {
    const TemporaryFolder folder;
    Message message(folder.path(), 1);
    message.append(large);
    const std::string path = folder / folder.names().at(0);
    std::set<std::uintmax_t> sizes;
    for (std::size_t i = 0; i < 4 * Message::memory_limit; ++i) {
        message.append("z");
        sizes.insert(std::filesystem::file_size(path));
    }
    EXPECT_LE(sizes.size(), 6U);
    EXPECT_EQ(contents(message.open_for_reading()), large + std::string(4 * Message::memory_limit, 'z'));
    message.append("end");
    (void)message.keep_as(folder / "dm1");
    EXPECT_EQ(std::filesystem::file_size(folder / "dm1"), message.size());
}

TEST(Message, PiecesLargerThanABlockStayInOrder) {
    const TemporaryFolder folder;
    Message message(folder.path());
    message.append("first\n");
    message.append(large);
    message.append("between\n");
    message.append(large + large);
    message.append("last\n");
    EXPECT_EQ(contents(message.open_for_reading()),
              "first\n" + large + "between\n" + large + large + "last\n");
}

TEST(Message, RemovesItsFileUnlessKept) {
    const TemporaryFolder folder;
    {
        Message message(folder.path());
        message.append(large);
        EXPECT_EQ(folder.names().size(), 1U);
    }
    EXPECT_TRUE(folder.names().empty());
}

class MessageOfBothKinds : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(SmallAndLarge, MessageOfBothKinds, ::testing::Values("small\n", large));

TEST_P(MessageOfBothKinds, ReadersHaveTheirOwnPosition) {
    const TemporaryFolder folder;
    Message message(folder.path());
    message.append(GetParam());
    const Fd first = message.open_for_reading();
    EXPECT_EQ(contents(first), GetParam());
    EXPECT_EQ(contents(message.open_for_reading()), GetParam());
    message.append("more");
    EXPECT_EQ(contents(message.open_for_reading()), GetParam() + "more");
}

TEST_P(MessageOfBothKinds, ReadersCannotWrite) {
    const TemporaryFolder folder;
    Message message(folder.path());
    message.append(GetParam());
    const Fd reader = message.open_for_reading();
    EXPECT_EQ(::write(reader.get(), "x", 1), -1);
    EXPECT_EQ(::ftruncate(reader.get(), 0), -1);
    EXPECT_EQ(contents(reader), GetParam());
}

TEST_P(MessageOfBothKinds, IsKeptUnderAName) {
    const TemporaryFolder folder;
    {
        Message message(folder.path());
        message.append(GetParam());
        const Fd kept = message.keep_as(folder / "dm1");
        EXPECT_TRUE(kept);
        EXPECT_EQ(contents(message.open_for_reading()), GetParam());
    }
    EXPECT_EQ(folder.names(), std::vector<std::string>{"dm1"});
    EXPECT_EQ(read_file(folder / "dm1"), GetParam());
}

TEST_P(MessageOfBothKinds, NeverReplacesAFile) {
    const TemporaryFolder folder;
    write_file(folder / "dm1", "older");
    {
        Message message(folder.path());
        message.append(GetParam());
        EXPECT_THROW(message.keep_as(folder / "dm1"), std::system_error);
        EXPECT_EQ(contents(message.open_for_reading()), GetParam());
    }
    EXPECT_EQ(folder.names(), std::vector<std::string>{"dm1"});
    EXPECT_EQ(read_file(folder / "dm1"), "older");
}

TEST(Message, CanStillBeReadWhenItsFileIsGone) {
    const TemporaryFolder folder;
    Message message(folder.path());
    message.append(large);
    (void)message.keep_as(folder / "dm1");
    disk::unlink(folder / "dm1");
    EXPECT_EQ(contents(message.open_for_reading()), large);
}

TEST(Message, MemoryCannotBeReopenedForWriting) {
    // A descriptor that another user holds can be opened again through /proc, and a file in memory lets
    // any user.
    const TemporaryFolder folder;
    Message message(folder.path());
    message.append("small\n");
    const Fd reader = message.open_for_reading();
    const Fd again(::open(("/proc/self/fd/" + std::to_string(reader.get())).c_str(), O_RDWR | O_CLOEXEC));
    if (again) {
        EXPECT_EQ(::write(again.get(), "x", 1), -1);
    }
    EXPECT_EQ(contents(reader), "small\n");
}

TEST(Message, FileIsLockedWhileItGrows) {
    const TemporaryFolder folder;
    Message message(folder.path());
    message.append(large);
    const Fd other = disk::open(folder / folder.names()[0], O_RDONLY);
    EXPECT_EQ(::flock(other.get(), LOCK_EX | LOCK_NB), -1);
}

TEST(Message, FolderThatIsMissingIsAnError) {
    Message message("/nonexistent");
    message.append("small");
    EXPECT_THROW(message.append(large), std::system_error);
}

}  // namespace
}  // namespace postoffice
