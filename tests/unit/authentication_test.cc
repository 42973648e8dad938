// Base 64, SASL messages, stored passwords.
#include <gtest/gtest.h>

#include "../../src/smtp/sasl.h"
#include "postoffice/base/base64.h"
#include "postoffice/policy/passwords.h"

namespace postoffice {
namespace {

TEST(Base64, BothWays) {
    const std::pair<std::string, std::string> pairs[] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe", "//4="}};
    for (const auto& [octets, text] : pairs) {
        EXPECT_EQ(base64(octets), text);
        EXPECT_EQ(decode_base64(text), octets);
    }
}

TEST(Base64, NothingElse) {
    for (const auto text :
         {"Z", "Zg", "Zg=", "Zg===", "=Zg=", "Zm9v\n", "Zm 9", "Zh==", "Zm9=", "Zg==Zg==", "*"})
        EXPECT_FALSE(decode_base64(text)) << text;
}

TEST(Plain, UserAndPassword) {
    const auto credentials = parse_plain(std::string_view("\0alice\0secret", 13));
    ASSERT_TRUE(credentials);
    EXPECT_EQ(credentials->user, "alice");
    EXPECT_EQ(credentials->password, "secret");
    EXPECT_TRUE(parse_plain(std::string_view("alice\0alice\0secret", 18)));
}

TEST(Plain, NobodyForAnother) {
    EXPECT_FALSE(parse_plain(std::string_view("bob\0alice\0secret", 16)));
    EXPECT_FALSE(parse_plain(std::string_view("\0alice\0", 7)));
    EXPECT_FALSE(parse_plain(std::string_view("\0\0secret", 8)));
    EXPECT_FALSE(parse_plain(std::string_view("alice\0secret", 12)));
    EXPECT_FALSE(parse_plain(std::string_view("\0a\0b\0c", 6)));
    EXPECT_FALSE(parse_plain(""));
}

TEST(Passwords, OnlyTheRightOne) {
    const auto hash = [] {
        FILE* pipe = ::popen("openssl passwd -5 -salt salt secret", "r");
        char line[256] = {};
        EXPECT_NE(std::fgets(line, sizeof line, pipe), nullptr);
        ::pclose(pipe);
        return std::string(line).substr(0, std::string(line).find('\n'));
    }();
    EXPECT_TRUE(is_password("secret", hash));
    EXPECT_FALSE(is_password("Secret", hash));
    EXPECT_FALSE(is_password("", hash));
    EXPECT_FALSE(is_password("secret", "!" + hash));
    EXPECT_FALSE(is_password("secret", ""));
    EXPECT_FALSE(is_password("", ""));
    EXPECT_FALSE(is_password("*0", "*0"));
    EXPECT_FALSE(is_password("secret", "secret"));
    EXPECT_FALSE(is_password(hash, hash)) << "a stolen hash is no password";
    EXPECT_FALSE(is_password(std::string_view("secret\0x", 8), hash));
}

}  // namespace
}  // namespace postoffice
