#include <sched.h>
#include <sys/mount.h>

#include "local_delivery.h"
#include "postoffice/local/mailbox.h"

namespace postoffice {
namespace {

using namespace testing_local;

class Maildir : public ::testing::Test {
  protected:
    std::string path() const { return folder_ / "Maildir"; }
    void deliver(Mailbox& box, const std::string& message) {
        box.begin();
        box.append({"a@b.example", "c@d.example"}, disk::memory_file(message).get());
        box.finish();
    }
    Folder folder_;
};

TEST_F(Maildir, IsMadeForItsUserOnly) {
    deliver(*open_maildir(path(), "mail.example.org"), "S: x\n\nFrom me\n");
    for (const char* folder : {"", "/tmp", "/new", "/cur"}) {
        struct stat status {};
        ASSERT_EQ(0, ::stat((path() + folder).c_str(), &status));
        EXPECT_EQ(0700U, status.st_mode & 07777) << folder;
    }
    const auto names = names_in(path() + "/new");
    ASSERT_EQ(1U, names.size());
    EXPECT_TRUE(names[0].ends_with(".mail.example.org"));
    EXPECT_EQ("Return-Path: <a@b.example>\nDelivered-To: c@d.example\nS: x\n\nFrom me\n",
              contents(path() + "/new/" + names[0]));
    EXPECT_TRUE(names_in(path() + "/tmp").empty());
}

TEST_F(Maildir, EachMessageIsAFile) {
    auto box = open_maildir(path(), "a/b:c");
    box->begin();
    for (int i = 0; i < 20; ++i) box->append({"", "c"}, disk::memory_file("S: x\n\n").get());
    EXPECT_TRUE(names_in(path() + "/new").empty());
    box->finish();
    EXPECT_EQ(20U, names_in(path() + "/new").size());
    EXPECT_TRUE(names_in(path() + "/new").front().ends_with(".a\\057b\\072c"));
}

TEST_F(Maildir, BatchThatIsNeverFinishedLeavesNothing) {
    {
        auto box = open_maildir(path(), "host");
        box->begin();
        box->append({"", "c"}, disk::memory_file("S: x\n\n").get());
    }
    EXPECT_TRUE(names_in(path() + "/new").empty());
    EXPECT_TRUE(names_in(path() + "/tmp").empty());
}

TEST_F(Maildir, FailureInTheMiddleTakesTheWholeBatchBack) {
    auto box = open_maildir(path(), "host");
    box->begin();
    box->append({"", "c"}, disk::memory_file("S: x\n\n").get());
    box->append({"", "c"}, disk::memory_file("S: y\n\n").get());
    std::filesystem::remove(path() + "/new");
    EXPECT_THROW(box->finish(), std::system_error);
    EXPECT_TRUE(names_in(path() + "/tmp").empty());
    deliver(*box, "S: z\n\n");
    EXPECT_EQ(1U, names_in(path() + "/new").size());
}

TEST_F(Maildir, WhatIsNoMaildirIsLeftAlone) {
    std::filesystem::create_directory(folder_ / "elsewhere");
    std::filesystem::create_directory_symlink(folder_ / "elsewhere", path());
    EXPECT_THROW(open_maildir(path(), "host")->begin(), UnfitMailbox);
    EXPECT_TRUE(names_in(folder_ / "elsewhere").empty());
    std::filesystem::remove(path());
    put(path(), "a file");
    EXPECT_THROW(open_maildir(path(), "host")->begin(), UnfitMailbox);
    EXPECT_EQ("a file", contents(path()));
    EXPECT_THROW(open_maildir(folder_ / "no/Maildir", "host")->begin(), std::system_error);
}

TEST_F(Maildir, FullDiskTakesNothingOfTheMessage) {
    if (::geteuid() != 0) GTEST_SKIP() << "a small file system: needs root";
    Child child([this] {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=64k") != 0)
            return 77;
        auto box = open_maildir(path(), "host");
        box->begin();
        box->append({"", "c"}, disk::memory_file("S: x\n\n").get());
        int error = 0;
        try {
            box->append({"", "c"}, disk::memory_file("S: y\n\n" + std::string(300'000, 'x')).get());
        } catch (const std::system_error& e) {
            error = e.code().value();
        }
        box->finish();
        return error == ENOSPC && names_in(path() + "/tmp").empty() && names_in(path() + "/new").size() == 1
                   ? 0
                   : 1;
    });
    const int status = child.wait();
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no mount namespace here";
    EXPECT_EQ(0, status);
}

}  // namespace
}  // namespace postoffice
