// What the file of logins says of a relay host.
#include "postoffice/daemon/login_keeper.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "../support/temporary_folder.h"

namespace postoffice {
namespace {

using LoginOutcome = RelayLoginAnswer::Outcome;

class LoginKeeperTest : public testing::Test {
  protected:
    void write(const std::string& text, mode_t mode = 0600) {
        folder_.write("passwords", text);
        config_.remote.password_file = folder_ / "passwords";
        ASSERT_EQ(::chmod(config_.remote.password_file.c_str(), mode), 0);
    }
    RelayLoginAnswer ask(const std::string& host, std::uint16_t port, const std::string& sender = "") {
        RelayLoginRequest request;
        request.port = port;
        EXPECT_TRUE(request.host.assign(host) && request.sender.assign(sender));
        return find_relay_login(config_, request);
    }
    std::string login(const std::string& host, std::uint16_t port, const std::string& sender = "") {
        const RelayLoginAnswer answer = ask(host, port, sender);
        if (answer.outcome == LoginOutcome::none) return "none";
        return answer.outcome == LoginOutcome::found ? answer.user.str() + " " + answer.secret.str()
                                                     : answer.problem.str();
    }

    test::TemporaryFolder folder_;
    Config config_;
};

TEST_F(LoginKeeperTest, TheEntryOfTheSenderThenOfTheHost) {
    write(
        "[one.test]:587   a:1\n"
        "one.test         b:2\n"
        "two.test:25      c:3:with:colons\n"
        "[192.0.2.1]      d:4\n"
        "@club.test       e:5\n"
        "bob@club.test    F:6 six\n");
    EXPECT_EQ(login("one.test", 587), "a 1");
    EXPECT_EQ(login("one.test", 25), "b 2");
    EXPECT_EQ(login("two.test", 25), "c 3:with:colons");
    EXPECT_EQ(login("two.test", 26), "none");
    EXPECT_EQ(login("[192.0.2.1]", 25), "d 4");
    EXPECT_EQ(login("192.0.2.1", 25), "d 4");
    EXPECT_EQ(login("one.test", 587, "@club.test"), "e 5");
    EXPECT_EQ(login("one.test", 587, "bob@club.test"), "F 6 six");
    EXPECT_EQ(login("one.test", 587, "x@other.test"), "a 1");
    EXPECT_EQ(login("three.test", 25), "none");
}

TEST_F(LoginKeeperTest, WhatIsWrongIsTemporary) {
    EXPECT_NE(login("one.test", 25).find(": No such file"), std::string::npos);
    write("one.test no-password\ntwo.test user:\nthree.test :secret\n");
    for (const char* host : {"one.test", "two.test", "three.test"})
        EXPECT_NE(login(host, 25).find(": the value is not USER:PASSWORD"), std::string::npos) << host;
    EXPECT_EQ(problems_of_relay_logins(config_).size(), 3u);
    write("one.test a:" + std::string(10000, 'x') + "\n");
    EXPECT_NE(login("one.test", 25).find("too long"), std::string::npos);
}

TEST_F(LoginKeeperTest, AFileThatOthersMayReadIsRefused) {
    write("one.test a:1\n", 0604);
    EXPECT_NE(login("one.test", 25).find("others than root may read it"), std::string::npos);
    EXPECT_EQ(problems_of_relay_logins(config_).size(), 1u);
    write("one.test a:1\n", 0600);
    EXPECT_EQ(login("one.test", 25), "a 1");
    EXPECT_TRUE(problems_of_relay_logins(config_).empty());
}

TEST_F(LoginKeeperTest, AProgramPrintsTheToken) {
    write("one.test a@one.test:\n");
    const auto program = [&](const std::string& text) {
        folder_.write("token", "#!/bin/sh\n" + text);
        config_.remote.token_command = folder_ / "token";
        ASSERT_EQ(::chmod(config_.remote.token_command.c_str(), 0755), 0);
    };
    program("echo $1/$2; echo more\n");
    const RelayLoginAnswer answer = ask("one.test", 25);
    EXPECT_EQ(answer.secret.str(), "a@one.test/one.test");
    EXPECT_EQ(answer.is_token, 1);
    program("printf '%05000d\\n' 1\n");
    EXPECT_EQ(ask("one.test", 25).secret.str().size(), 5000u);
    program("echo no such token >&2; exit 1\n");
    EXPECT_NE(login("one.test", 25).find("failed: no such token"), std::string::npos);
    program("exit 0\n");
    EXPECT_NE(login("one.test", 25).find("printed no token"), std::string::npos);
    config_.remote.token_command = folder_ / "nothing";
    EXPECT_EQ(ask("one.test", 25).outcome, LoginOutcome::temporary);
}

}  // namespace
}  // namespace postoffice
