// Local accounts: found in any case, spelled as the host spells them, and never unknown by mistake.
#include "postoffice/routing/users.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <system_error>

namespace postoffice {
namespace {

TEST(UserDirectory, FindsAccountsInAnyCase) {
    UserDirectory users;
    const auto root = users.find("root");
    ASSERT_TRUE(root);
    EXPECT_EQ(root->name, "root");
    EXPECT_EQ(root->uid, 0u);
    EXPECT_FALSE(root->home.empty());
    const auto shouted = users.find("ROOT");
    ASSERT_TRUE(shouted);
    EXPECT_EQ(shouted->name, "root");
}

TEST(UserDirectory, OthersAreNotThere) {
    UserDirectory users;
    using namespace std::string_literals;
    for (const std::string& name : {""s, "nobody-has-this-name"s, "root\0x"s, "root:x"s, "../root"s,
                                    "\xff\xfe"s, std::string(100'000, 'r')})
        EXPECT_FALSE(users.find(name)) << name.substr(0, 20);
}

TEST(UserDirectory, TheOnlyUser) {
    UserDirectory users("daemon");
    ASSERT_TRUE(users.find("Daemon"));
    EXPECT_EQ(users.find("daemon")->name, "daemon");
    EXPECT_FALSE(users.find("root"));
}

/// Runs `check` in a child that has a file system of its own, with `text` as its password file; the check
/// returns what went wrong, or "". "skip" where the kernel does not allow it.
std::string with_password_file(const std::string& text,
                               const std::function<std::string(const std::string& file)>& check) {
    std::string file = testing::TempDir() + "users_test.XXXXXX";
    const int fd = ::mkstemp(file.data());
    if (fd < 0) return "mkstemp";
    ::close(fd);
    ::chmod(file.c_str(), 0644);
    std::ofstream(file) << text;
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0) return "pipe";
    const pid_t child = ::fork();
    if (child == 0) {
        std::string said = "skip";
        if ((::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
            ::mount(file.c_str(), "/etc/passwd", nullptr, MS_BIND, nullptr) == 0)
            said = check(file);
        ::_exit(::write(pipe[1], said.data(), said.size()) == static_cast<ssize_t>(said.size()) ? 0 : 1);
    }
    ::close(pipe[1]);
    char buffer[500];
    const ssize_t length = ::read(pipe[0], buffer, sizeof buffer);
    ::close(pipe[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ::unlink(file.c_str());
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return "the check died";
    return std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
}

std::string name_of(UserDirectory& users, const std::string& name) {
    const auto account = users.find(name);
    return account ? account->name : "none";
}

TEST(UserDirectory, MixedCaseNamesKeepTheirSpelling) {
    const std::string result = with_password_file(
        "Orc:x:12001:12001:Orc & Son,room 1:/home/orc:/bin/sh\n"
        "\n"
        "bob:x:12002:12002::/home/bob:\nBob:x:12003:12003::/home/Bob:\n",
        [](const std::string& file) -> std::string {
            UserDirectory users;
            for (const char* name : {"orc", "ORC", "Orc"})
                if (name_of(users, name) != "Orc") return std::string(name) + " is " + name_of(users, name);
            if (users.find("orc")->full_name != "Orc Orc Son") return users.find("orc")->full_name;
            for (const char* name : {"bob", "Bob", "BOB"})
                if (name_of(users, name) != "bob") return "the name in lower case must win";
            if (name_of(users, "troll") != "none") return "troll is there";
            std::ofstream(file, std::ios::app) << "Troll:x:12004:12004::/home/troll:/bin/sh\n";
            return name_of(users, "troll") == "Troll" ? "" : "a new account is not seen";
        });
    if (result == "skip") GTEST_SKIP() << "no mount namespaces here";
    EXPECT_EQ(result, "");
}

TEST(UserDirectory, LongEntries) {
    const std::string home = "/" + std::string(20'000, 'h');
    const std::string result = with_password_file(
        "bob:x:12002:12002::" + home + ":/bin/sh\n", [&](const std::string&) -> std::string {
            UserDirectory users;
            const auto account = users.find("bob");
            return account && account->home == home ? "" : "not found";
        });
    if (result == "skip") GTEST_SKIP() << "no mount namespaces here";
    EXPECT_EQ(result, "");
}

TEST(UserDirectory, APasswordFileThatIsGoneIsNoAnswer) {
    const std::string result = with_password_file("", [](const std::string&) -> std::string {
        if (::mount("none", "/etc", "tmpfs", 0, nullptr) != 0) return "skip";
        UserDirectory users;
        try {
            return users.find("nobody-has-this-name") ? "found" : "unknown";
        } catch (const std::system_error&) {
            return "";
        }
    });
    if (result == "skip") GTEST_SKIP() << "no mount namespaces here";
    EXPECT_EQ(result, "");
}

}  // namespace
}  // namespace postoffice
