// The disk of the power cut tests forgets what POSIX allows a disk to forget, and nothing else.
#include "../crash/forgetful_disk.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace postoffice::test {
namespace {

NodePointer make(ForgetfulDisk& disk, const std::string& name, mode_t mode = S_IFREG | 0600) {
    Node like;
    like.mode = mode;
    return disk.make(disk.root(), name, like);
}

class Disk : public ::testing::Test {
  protected:
    NodePointer find(const std::string& name) const { return ForgetfulDisk::find(*disk_.root(), name); }
    /// How many of a hundred seeds leave a copy of this disk as `expected` says.
    template <class Build, class Expected>
    static int outcomes(const Build& build, const Expected& expected) {
        int count = 0;
        for (std::uint64_t seed = 0; seed < 100; ++seed) {
            ForgetfulDisk disk;
            build(disk);
            disk.cut(seed);
            count += expected(disk) ? 1 : 0;
        }
        return count;
    }
    ForgetfulDisk disk_;
};

TEST_F(Disk, KeepsWhatWasSynced) {
    const NodePointer file = make(disk_, "file");
    disk_.write(*file, 0, "text");
    disk_.sync_data(*file);
    disk_.sync_names(disk_.root());
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        disk_.cut(seed);
        ASSERT_TRUE(find("file"));
        EXPECT_EQ("text", find("file")->data);
        EXPECT_EQ(1U, find("file")->links);
    }
}

TEST_F(Disk, MayForgetNameOfASyncedFile) {
    const auto build = [](ForgetfulDisk& disk) {
        const NodePointer file = make(disk, "file");
        disk.write(*file, 0, "text");
        disk.sync_data(*file);
    };
    const int kept = outcomes(build, [](const ForgetfulDisk& disk) {
        const NodePointer file = ForgetfulDisk::find(*disk.root(), "file");
        return file && file->data == "text";
    });
    EXPECT_GT(kept, 10);
    EXPECT_LT(kept, 90);
    EXPECT_EQ(100,
              kept + outcomes(build, [](const ForgetfulDisk& disk) { return disk.root()->names.empty(); }));
}

TEST_F(Disk, MayForgetDataOfAFileWithADurableName) {
    const auto build = [](ForgetfulDisk& disk) {
        const NodePointer file = make(disk, "file");
        disk.sync_names(disk.root());
        disk.write(*file, 0, "first ");
        disk.write(*file, 6, "second");
    };
    const auto data_is = [](const std::string& text) {
        return [text](const ForgetfulDisk& disk) { return disk.root()->names.at("file")->data == text; };
    };
    EXPECT_GT(outcomes(build, data_is("")), 10);
    EXPECT_GT(outcomes(build, data_is("first second")), 10);
    EXPECT_GT(outcomes(build, data_is("first ")), 0);
    EXPECT_GT(outcomes(build, data_is(std::string(6, '\0') + "second")), 0);
}

TEST_F(Disk, MayKeepALaterChangeOfNamesWithoutAnEarlierOne) {
    const auto build = [](ForgetfulDisk& disk) {
        make(disk, "a");
        make(disk, "b");
        disk.sync_names(disk.root());
        (void)disk.remove(disk.root(), "a");
        (void)disk.remove(disk.root(), "b");
    };
    EXPECT_GT(outcomes(build,
                       [](const auto& disk) {
                           return !disk.root()->names.contains("b") && disk.root()->names.contains("a");
                       }),
              0);
}

TEST_F(Disk, NeverHasBothOrNeitherNameOfARenamedFile) {
    const auto build = [](ForgetfulDisk& disk) {
        const NodePointer folder = make(disk, "folder", S_IFDIR | 0700);
        make(disk, "file");
        disk.sync_names(disk.root());
        (void)disk.rename(disk.root(), "file", folder, "file");
    };
    EXPECT_EQ(100, outcomes(build, [](const ForgetfulDisk& disk) {
                  return disk.root()->names.contains("file") !=
                         disk.root()->names.at("folder")->names.contains("file");
              }));
}

TEST_F(Disk, ForgetsAFolderWithAllThatIsInIt) {
    const auto build = [](ForgetfulDisk& disk) {
        const NodePointer folder = make(disk, "folder", S_IFDIR | 0700);
        disk.link(make(disk, "file"), folder, "file");
        disk.sync_names(folder);
    };
    const int kept = outcomes(build, [](const ForgetfulDisk& disk) {
        const NodePointer folder = ForgetfulDisk::find(*disk.root(), "folder");
        return folder && ForgetfulDisk::find(*folder, "file");
    });
    EXPECT_GT(kept, 10);
    EXPECT_EQ(100, kept + outcomes(build, [](const ForgetfulDisk& disk) {
                       return !disk.root()->names.contains("folder");
                   }));
}

}  // namespace
}  // namespace postoffice::test
