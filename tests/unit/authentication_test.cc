// Base 64, SASL messages, stored passwords.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

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

TEST(VirtualUsers, BothForms) {
    const auto shortly = parse_virtual_user("bob:$6$x$y\r");
    ASSERT_TRUE(shortly);
    EXPECT_EQ(shortly->name, "bob");
    EXPECT_EQ(shortly->hash, "$6$x$y");
    const auto longer = parse_virtual_user("bob:hash:1000:1000:Bob B.:./bob:/bin/false");
    ASSERT_TRUE(longer);
    EXPECT_EQ(longer->hash, "hash");
    EXPECT_EQ(longer->home, "./bob");
    for (const auto line : {"", "# bob:hash", ":hash", "bob", "bob:hash:1000"})
        EXPECT_FALSE(parse_virtual_user(line)) << line;
}

TEST(VirtualUsers, ADomainIsNoPath) {
    std::string folder = testing::TempDir() + "vhosts.XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    std::filesystem::create_directories(folder + "/v.example");
    std::ofstream(folder + "/v.example/passwd") << "# users\nbob:hash\n";
    std::ofstream(folder + "/passwd") << "eve:hash\n";
    Config config;
    config.vhost_dir = folder + "/.";
    EXPECT_TRUE(find_virtual_user(config, "Bob", "v.example"));
    EXPECT_FALSE(find_virtual_user(config, "eve", "v.example"));
    for (const auto domain : {"", ".", "..", "../v.example", "v.example/..", "/", "V.example/"})
        EXPECT_FALSE(find_virtual_user(config, "eve", domain)) << domain;
    config.vhost_dir.clear();
    EXPECT_FALSE(find_virtual_user(config, "bob", "v.example"));
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace postoffice
