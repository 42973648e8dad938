// Messages in an mbox: their form, damaged ends, and files that are no mailbox.
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "mbox_fixture.h"

namespace postoffice {
namespace {

using namespace testing_local;
using namespace testing_mbox;

TEST_F(Mbox, HasFromLineStampMessageAndEmptyLine) {
    deliver(*open_mbox(path()), "Subject: x\n\nhello\n");
    const std::string all = contents(path());
    EXPECT_TRUE(all.starts_with("From a@b.example ")) << all;
    EXPECT_TRUE(all.ends_with("\n" + stamp_ + "Subject: x\n\nhello\n\n")) << all;
    struct stat status {};
    ASSERT_EQ(0, ::stat(path().c_str(), &status));
    EXPECT_EQ(0600U, status.st_mode & 07777);
}

TEST_F(Mbox, NullSenderIsTheMailerDaemon) {
    deliver(*open_mbox(path()), "\n", {"", "c@d.example"});
    EXPECT_TRUE(contents(path()).starts_with("From MAILER-DAEMON "));
    EXPECT_EQ(1U, count_of(contents(path()), "Return-Path: <>\n"));
}

TEST_F(Mbox, BlankInSenderDoesNotMoveTheDate) {
    deliver(*open_mbox(path()), "\n", {"\"a b\"@c.example", "d@e.example"});
    EXPECT_TRUE(contents(path()).starts_with("From \"a-b\"@c.example "));
    EXPECT_EQ(1U, count_of(contents(path()), "Return-Path: <\"a b\"@c.example>\n"));
}

TEST_F(Mbox, FromAtALineStartIsEscapedSoThatItCanBeUndone) {
    EXPECT_EQ(stamp_ + "S: x\n\n>From me\n>>From you\n> From\nFrom\n From \nfrom \n\n",
              stored_as("S: x\n\nFrom me\n>From you\n> From\nFrom\n From \nfrom \n"));
    EXPECT_EQ(stamp_ + "S: x\n\nFrom me\n\n", stored_as("S: x\n\nFrom me\n", false));
}

TEST_F(Mbox, AFieldFromWithBlanksBeforeItsColonStaysTheAuthor) {
    EXPECT_EQ(stamp_ + "From: a@b\n folded\nDate : d\n\n>From : body\n\n",
              stored_as("From  : a@b\n folded\nDate : d\n\nFrom : body\n"));
    EXPECT_EQ(stamp_ + "From  : a@b\n\n\n", stored_as("From  : a@b\n\n", false));
}

TEST_F(Mbox, LastLineGetsItsNewline) {
    EXPECT_EQ(stamp_ + "S: x\n\nhello\n\n", stored_as("S: x\n\nhello"));
    EXPECT_EQ(stamp_ + "\n", stored_as(""));
}

TEST_F(Mbox, ThereIsExactlyOneReturnPath) {
    EXPECT_EQ(
        stamp_ + "A: 1\nB: 2\n\nReturn-Path: body\n\n",
        stored_as(
            "Return-Path: <x@y>\nA: 1\nreturn-path :\n <z@y>\n\t(folded)\nB: 2\n\nReturn-Path: body\n"));
}

TEST_F(Mbox, OctetsStayAsTheyAre) {
    std::string odd = "S: x\n\n";
    for (int c = 0; c < 256; ++c) odd += static_cast<char>(c);
    odd += "\n";
    EXPECT_EQ(stamp_ + odd + "\n", stored_as(odd));
}

TEST_F(Mbox, LinesAcrossBufferBordersAreSeenWhole) {
    for (const std::size_t before : {65530U, 65533U, 65535U, 65536U, 131070U, 200000U}) {
        std::string message = "S: x\n\n";
        while (message.size() < before)
            message += message.size() + 40 < before ? "some text in a line of it\n" : "\n";
        const std::string rest = "From here\n" + std::string(100'000, 'x') + "From there\n>From end\n";
        EXPECT_EQ(
            stamp_ + message + ">From here\n" + std::string(100'000, 'x') + "From there\n>>From end\n\n",
            stored_as(message + rest))
            << before;
    }
}

TEST_F(Mbox, HeaderLargerThanAnyBufferLosesItsReturnPathOnly) {
    const std::string filler = "X: " + std::string(70'000, 'y') + "\n";
    EXPECT_EQ(stamp_ + filler + "\nbody\n\n",
              stored_as(filler + "Return-Path: " + std::string(70'000, 'z') + "\n more\n" + "\nbody\n"));
}

TEST_F(Mbox, AppendsAndKeepsTheFileOpenBetweenBatches) {
    auto box = open_mbox(path());
    for (int i = 0; i < 3; ++i) deliver(*box, "S: x\n\n" + std::to_string(i) + "\n");
    EXPECT_EQ(3U, count_of(contents(path()), "From a@b.example "));
    EXPECT_EQ(0U, count_of(contents(path()), "\n\n\n"));
}

TEST_F(Mbox, BrokenEndIsRepairedBeforeTheNextMessage) {
    for (const auto& [before, expected] :
         std::vector<std::pair<std::string, std::string>>{{"From x\n\nhalf a li", "From x\n\nhalf a li\n\n"},
                                                          {"From x\n\nall\n", "From x\n\nall\n\n"},
                                                          {"From x\n\nall\n\n", "From x\n\nall\n\n"},
                                                          {"x", "x\n\n"},
                                                          {"\n", "\n"},
                                                          {"no mailbox at all", "no mailbox at all\n\n"}}) {
        put(path(), before);
        deliver(*open_mbox(path()), "S: x\n\nnew\n");
        EXPECT_TRUE(contents(path()).starts_with(expected + "From a@b.example ")) << contents(path());
    }
}

TEST_F(Mbox, FileRemovedOrReplacedBetweenBatchesIsNoticed) {
    auto box = open_mbox(path());
    deliver(*box, "S: 1\n\n");
    std::filesystem::remove(path());
    deliver(*box, "S: 2\n\n");
    EXPECT_EQ(1U, count_of(contents(path()), "From a@b"));
    put(path() + ".new", "From z\n\nrewritten\n\n");
    std::filesystem::rename(path() + ".new", path());
    deliver(*box, "S: 3\n\n");
    EXPECT_TRUE(contents(path()).starts_with("From z\n\nrewritten\n\nFrom a@b.example "));
    EXPECT_EQ(1U, count_of(contents(path()), "S: 3"));
}

TEST_F(Mbox, WhatIsNoMailboxIsLeftAlone) {
    const std::string elsewhere = folder_ / "elsewhere";
    put(elsewhere, "precious");
    const auto refused = [&](const char* why) {
        auto box = open_mbox(path());
        try {
            box->begin();
            ADD_FAILURE() << "accepted, not refused: " << why;
        } catch (const UnfitMailbox& e) {
            EXPECT_STREQ(why, e.what());
        }
        std::filesystem::remove(path());
        EXPECT_EQ("precious", contents(elsewhere));
    };
    std::filesystem::create_symlink(elsewhere, path());
    refused("mailbox is a symbolic link");
    std::filesystem::create_symlink(folder_ / "nothing", path());
    refused("mailbox is a symbolic link");
    EXPECT_FALSE(std::filesystem::exists(folder_ / "nothing"));
    std::filesystem::create_hard_link(elsewhere, path());
    refused("mailbox has more than one link");
    ASSERT_EQ(0, ::mkfifo(path().c_str(), 0600));
    refused("mailbox is not a regular file");
    std::filesystem::create_directory(path());
    refused("mailbox is not a regular file");
    if (::geteuid() != 0) GTEST_SKIP() << "another owner's file: needs root";
    put(path(), "");
    ASSERT_EQ(0, ::chown(path().c_str(), 65534, 65534));
    refused("mailbox belongs to another user");
}

TEST_F(Mbox, LinkPutInPlaceOfAnOpenMailboxIsNotFollowed) {
    auto box = open_mbox(path());
    deliver(*box, "S: 1\n\n");
    std::filesystem::rename(path(), folder_ / "moved");
    std::filesystem::create_symlink(folder_ / "moved", path());
    EXPECT_THROW(box->begin(), UnfitMailbox);
}

TEST_F(Mbox, MissingDirectoryIsAnError) {
    auto box = open_mbox(folder_ / "no/such");
    EXPECT_THROW(box->begin(), std::system_error);
}

TEST_F(Mbox, MessageThatIsNoFileIsRefusedAndLeavesNothing) {
    auto box = open_mbox(path());
    const Pipe pipe = make_pipe();
    box->begin();
    EXPECT_THROW(box->append({"a@b", "c@d"}, pipe.read_end.get()), FormatError);
    box->finish();
    EXPECT_EQ("", contents(path()));
}

TEST_F(Mbox, FailedMessageIsTakenAwayAndTheOthersStand) {
    Child child([this] {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{20'000, 20'000};
        const Fd small = disk::memory_file("S: small\n\n");
        ::setrlimit(RLIMIT_FSIZE, &limit);
        const Fd large(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
        auto box = open_mbox(path());
        box->begin();
        box->append({"a@b.example", "c"}, small.get());
        int code = 1;
        try {
            box->append({"a@b.example", "c"}, large.get());
        } catch (const std::system_error& e) {
            code = e.code().value() == EFBIG ? 0 : 2;
        }
        box->append({"a@b.example", "c"}, small.get());
        box->finish();
        return code;
    });
    EXPECT_EQ(0, child.wait());
    EXPECT_EQ(2U, count_of(contents(path()), "From a@b.example "));
    EXPECT_EQ(2U, count_of(contents(path()), "S: small\n\n\n"));
    EXPECT_LT(contents(path()).size(), 500U);
}

TEST_F(Mbox, FullDiskTakesNothingOfTheMessage) {
    if (::geteuid() != 0) GTEST_SKIP() << "a small file system: needs root";
    Child child([this] {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=64k") != 0)
            return 77;
        auto box = open_mbox(path());
        deliver(*box, "S: first\n\n");
        const std::string before = contents(path());
        const Fd large = disk::memory_file("S: large\n\n" + std::string(300'000, 'x'));
        box->begin();
        int error = 0;
        try {
            box->append({"a@b", "c"}, large.get());
        } catch (const std::system_error& e) {
            error = e.code().value();
        }
        box->finish();
        if (error != ENOSPC || contents(path()) != before) return 1;
        deliver(*box, "S: third\n\n");
        return contents(path()).starts_with(before + "From ") ? 0 : 2;
    });
    const int status = child.wait();
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no mount namespace here";
    EXPECT_EQ(0, status);
}

TEST_F(Mbox, OneBatchOfManyMessages) {
    auto box = open_mbox(path());
    box->begin();
    for (int i = 0; i < 10; ++i) box->append({"a@b.example", "c"}, disk::memory_file("S: x\n\n").get());
    box->finish();
    EXPECT_EQ(10U, count_of(contents(path()), "From a@b.example "));
}

TEST_F(Mbox, ForbiddenFolderIsBelowHomeOrBesideTheMailbox) {
    Config config = config_with(folder_);
    Account account = own_account();
    account.home = folder_ / "home";
    std::filesystem::create_directory(account.home);
    const auto folder_is = [&](const std::string& folder, const std::string& expected) {
        config.access.forbidden = {UnwantedMail::Action::folder, folder};
        const auto mailbox = open_folder_of(config, account, {}, MailFolder::forbidden);
        mailbox->begin();
        mailbox->finish();
        EXPECT_TRUE(std::filesystem::exists(expected)) << expected;
    };
    for (const auto which : {MailFolder::inbox, MailFolder::forbidden, MailFolder::spam})
        EXPECT_FALSE(open_folder_of(config, account, {}, which));
    account.uid = 0;
    folder_is("~/own/", folder_ / "somebody:own");
    folder_is("junk", folder_ / "somebody:junk");
    account.uid = 1000;
    folder_is("~/spam", account.home + "/spam");
    folder_is("bad", folder_ / "somebody:bad");
}

TEST_F(Mbox, HomeMailboxIsChosenButNeverForRoot) {
    std::filesystem::create_directory(folder_ / "home");
    Config config = config_with(folder_);
    config.local.home_mailbox = "Mailbox";
    Account account = own_account();
    account.home = folder_ / "home";
    account.uid = 4711;
    deliver(*open_mailbox_of(config, account, {}), "S: x\n\n");
    EXPECT_TRUE(std::filesystem::exists(folder_ / "home/Mailbox"));
    config.local.home_mailbox = "Maildir/";
    deliver(*open_mailbox_of(config, account, {}), "S: x\n\n");
    EXPECT_EQ(1U, names_in(folder_ / "home/Maildir/new").size());
    account.uid = 0;
    account.name = "root";
    deliver(*open_mailbox_of(config, account, {}), "S: x\n\n");
    EXPECT_TRUE(std::filesystem::exists(folder_ / "root"));
}

}  // namespace
}  // namespace postoffice
