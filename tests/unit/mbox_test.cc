#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "local_delivery.h"
#include "postoffice/local/mailbox.h"

namespace postoffice {
namespace {

using namespace testing_local;

class Mbox : public ::testing::Test {
  protected:
    std::string path() const { return folder_ / "somebody"; }
    void deliver(Mailbox& box, const std::string& message,
                 const DeliveryStamp& stamp = {"a@b.example", "c@d.example"}) {
        box.begin();
        box.append(stamp, disk::memory_file(message).get());
        box.finish();
    }
    /// Without the From line, whose date changes.
    std::string stored_as(const std::string& message, bool escape = true) {
        std::filesystem::remove(path());
        deliver(*open_mbox(path(), {.escape_from = escape}), message);
        const std::string all = contents(path());
        return all.substr(all.find('\n') + 1);
    }
    static void put(const std::string& path, const std::string& text) {
        disk::write_all(disk::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600).get(), text);
    }
    const std::string stamp_ = "Return-Path: <a@b.example>\nDelivered-To: c@d.example\n";
    Folder folder_;
};

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

TEST_F(Mbox, TheLockFileIsThereWhileItIsWrittenTo) {
    const auto box = open_mbox(path());
    box->begin();
    EXPECT_TRUE(contents(path() + ".lock").starts_with(std::to_string(::getpid()) + " "));
    box->append({"a@b.example", "c@d.example"}, disk::memory_file("S: x\n\n").get());
    box->finish();
    EXPECT_FALSE(std::filesystem::exists(path() + ".lock"));
    EXPECT_EQ(1U, count_of(contents(path()), "S: x\n"));

    const auto without = open_mbox(path(), {.dot_lock = false});
    without->begin();
    EXPECT_FALSE(std::filesystem::exists(path() + ".lock"));
    without->finish();
}

TEST_F(Mbox, TheLockFileOfAnotherProgramIsRespected) {
    put(path() + ".lock", "");
    EXPECT_THROW(open_mbox(path(), {.lock_patience = Milliseconds(20)})->begin(), Timeout);
    EXPECT_TRUE(std::filesystem::exists(path() + ".lock"));
    deliver(*open_mbox(path(), {.dot_lock = false}), "S: x\n\n");  // and no lock of ours was left
}

TEST_F(Mbox, ALockFileThatWasLeftBehindIsRemoved) {
    put(path() + ".lock", "1\n");
    const timespec old[2] = {{::time(nullptr) - 301, 0}, {::time(nullptr) - 301, 0}};
    ASSERT_EQ(0, ::utimensat(AT_FDCWD, (path() + ".lock").c_str(), old, 0));
    deliver(*open_mbox(path(), {.lock_patience = Milliseconds(20)}), "S: x\n\n");
    EXPECT_FALSE(std::filesystem::exists(path() + ".lock"));

    const pid_t child = ::fork();
    if (child == 0) {
        const auto box = open_mbox(path());
        box->begin();
        ::_exit(std::filesystem::exists(path() + ".lock") ? 0 : 1);  // as a killed agent leaves it
    }
    int status = 0;
    ASSERT_EQ(child, ::waitpid(child, &status, 0));
    ASSERT_EQ(0, status);
    ASSERT_TRUE(std::filesystem::exists(path() + ".lock"));
    deliver(*open_mbox(path(), {.lock_patience = Milliseconds(20)}), "S: x\n\n");
    EXPECT_FALSE(std::filesystem::exists(path() + ".lock"));
    EXPECT_EQ(2U, count_of(contents(path()), "S: x\n"));
}

TEST_F(Mbox, WhatIsNoLockStays) {
    put(path() + ".lock", "From a@b Sat Jan  1 00:00:00 2000\n" + std::string(300, 'x') + "\n");
    deliver(*open_mbox(path(), {.lock_patience = Milliseconds(20)}), "S: x\n\n");
    EXPECT_TRUE(std::filesystem::exists(path() + ".lock")) << "the mailbox of another user, say";
    std::filesystem::remove(path() + ".lock");
    ASSERT_EQ(0, ::symlink("/etc/passwd", (path() + ".lock").c_str()));
    deliver(*open_mbox(path(), {.lock_patience = Milliseconds(20)}), "S: x\n\n");
    EXPECT_EQ(2U, count_of(contents(path()), "S: x\n"));
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

TEST_F(Mbox, WaitsForALockAndGivesUpInTime) {
    put(path(), "");
    for (const bool by_fcntl : {false, true}) {
        Pipe ready = make_pipe();
        Child locker([&] {
            const Fd file = disk::open(path(), O_RDWR);
            struct flock range {};
            range.l_type = F_WRLCK;
            if (by_fcntl ? ::fcntl(file.get(), F_SETLK, &range) != 0 : ::flock(file.get(), LOCK_EX) != 0)
                return 1;
            disk::write_all(ready.write_end.get(), "x");
            ::pause();
            return 0;
        });
        char c;
        ASSERT_EQ(1, ::read(ready.read_end.get(), &c, 1));
        auto box = open_mbox(path(), {.lock_patience = Milliseconds(20)});
        EXPECT_THROW(box->begin(), Timeout) << by_fcntl;
        locker.end();
        deliver(*box, "S: after\n\n");
    }
    EXPECT_EQ(2U, count_of(contents(path()), "S: after"));
}

TEST_F(Mbox, LocksThatRealProgramsSee) {
    if (std::system("command -v python3 >/dev/null && command -v flock >/dev/null") != 0)
        GTEST_SKIP() << "python3 and flock are not installed";
    auto box = open_mbox(path());
    box->begin();
    const std::string by_fcntl =
        "python3 -c 'import mailbox,sys\nm=mailbox.mbox(\"" + path() +
        "\",create=False)\ntry: m.lock()\nexcept mailbox.ExternalClashError: sys.exit(9)\n"
        "m.unlock()'";
    EXPECT_EQ(9, WEXITSTATUS(std::system(by_fcntl.c_str())));
    EXPECT_EQ(1, WEXITSTATUS(std::system(("flock -n " + path() + " true").c_str())));
    box->finish();
    EXPECT_EQ(0, std::system(by_fcntl.c_str()));
    EXPECT_EQ(0, std::system(("flock -n " + path() + " true").c_str()));
}

TEST_F(Mbox, ReaderThatRewritesUnderLockLosesNoMessage) {
    if (std::system("command -v python3 >/dev/null") != 0) GTEST_SKIP() << "python3 is not installed";
    // A mail reader that takes messages out, while we put messages in: each is in exactly one of the two
    // places.
    const std::string script = folder_ / "reader.py";
    put(script,
        "import mailbox, os, sys, time\n"
        "box, out, stop = sys.argv[1:]\n"
        "taken = open(out, 'w')\n"
        "while True:\n"
        "    last = os.path.exists(stop)\n"
        "    m = mailbox.mbox(box)\n"
        "    try: m.lock()\n"
        "    except mailbox.ExternalClashError: continue\n"
        "    for key, message in list(m.items()):\n"
        "        taken.write(message['Number'] + '\\n')\n"
        "        m.remove(key)\n"
        "    m.flush(); m.unlock(); m.close()\n"
        "    if last: break\n"
        "    time.sleep(0.002)\n");
    put(path(), "");
    const std::string stop = folder_ / "stop";
    Child reader([&] {
        ::execlp("python3", "python3", script.c_str(), path().c_str(), (folder_ / "taken").c_str(),
                 stop.c_str(), nullptr);
        return 99;
    });
    auto box = open_mbox(path());
    for (int i = 0; i < 300; ++i) deliver(*box, "Number: n" + std::to_string(i) + "\n\nbody\n");
    put(stop, "");
    EXPECT_EQ(0, reader.wait());
    const std::string taken = contents(folder_ / "taken");
    for (int i = 0; i < 300; ++i)
        EXPECT_EQ(1U, count_of("\n" + taken, "\nn" + std::to_string(i) + "\n")) << i;
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
