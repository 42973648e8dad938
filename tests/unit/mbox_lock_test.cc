// Locks of an mbox: lock files, locks of the kernel, and other programs that use them.
#include <gtest/gtest.h>
#include <sys/file.h>

#include "mbox_fixture.h"

namespace postoffice {
namespace {

using namespace testing_local;
using namespace testing_mbox;

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

}  // namespace
}  // namespace postoffice
