// Stored passwords: what a field is taken for, which password is right, and that each check costs one hash.
#include "postoffice/policy/passwords.h"

#include <crypt.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "../../src/daemon/auth_question.h"
#include "local_delivery.h"
#include "postoffice/base/packet.h"
#include "postoffice/policy/authentication.h"
#include "postoffice/routing/domain_files.h"

namespace {

/// The settings of all hashes that were computed.
std::vector<std::string> hashed_with;

}  // namespace

/// Stands in front of the one of libcrypt.
extern "C" char* crypt_r(const char* phrase, const char* setting, crypt_data* data) noexcept {
    static const auto real = reinterpret_cast<decltype(&crypt_r)>(::dlsym(RTLD_NEXT, "crypt_r"));
    hashed_with.push_back(setting);
    return real(phrase, setting, data);
}

namespace postoffice {
namespace {

using testing_local::Folder;
using testing_local::put;
using PasswordKind = StoredPassword::Kind;

const std::string des = "kvuZnldCG1WbU";  // hello
const std::string sha256 = "$5$salt$ZYXsK0pxpaRWBUweKuToC90TC/15c9Iz8u3SGLTaS4D";

bool is_right(std::string_view password, std::string_view field, bool may_be_plain = false) {
    return is_password(password, parse_stored_password(field, may_be_plain));
}

TEST(Passwords, OnlyTheRightOne) {
    const std::string hash = hash_password("secret");
    EXPECT_TRUE(is_right("secret", hash));
    EXPECT_TRUE(is_right("secret", "{SHA256-CRYPT}" + hash)) << "as Dovecot writes it";
    EXPECT_TRUE(is_right("secret", "{crypt}" + hash));
    EXPECT_TRUE(is_right("hello", des));
    for (const bool may_be_plain : {false, true}) {
        EXPECT_FALSE(is_right("Secret", hash, may_be_plain));
        EXPECT_FALSE(is_right("", hash, may_be_plain));
        EXPECT_FALSE(is_right("secret", "!" + hash, may_be_plain));
        EXPECT_FALSE(is_right("secret", "", may_be_plain));
        EXPECT_FALSE(is_right("", "", may_be_plain));
        EXPECT_FALSE(is_right("*0", "*0", may_be_plain));
        EXPECT_FALSE(is_right(hash, hash, may_be_plain)) << "a stolen hash is no password";
        EXPECT_FALSE(is_right(std::string_view("secret\0x", 8), hash, may_be_plain));
    }
}

TEST(Passwords, PlainTextIsRightWhereItMayStand) {
    EXPECT_TRUE(is_right("kvtpasswd", "kvtpasswd", true));
    EXPECT_FALSE(is_right("kvtpasswd", "kvtpasswd"));
    EXPECT_FALSE(is_right("kvtpassw", "kvtpasswd", true));
    EXPECT_FALSE(is_right("kvtpasswdkvtpasswd", "kvtpasswd", true));
    EXPECT_FALSE(is_right("Kvtpasswd", "kvtpasswd", true));
    EXPECT_FALSE(is_right("kvtpasswd", "!kvtpasswd", true));
    for (const bool may_be_plain : {false, true}) {
        EXPECT_TRUE(is_right("secret", "{PLAIN}secret", may_be_plain));
        EXPECT_TRUE(is_right("$1$x", "{plain}$1$x", may_be_plain));
        EXPECT_FALSE(is_right("secret", "!{PLAIN}secret", may_be_plain));
        EXPECT_FALSE(is_right("", "{PLAIN}", may_be_plain));
        EXPECT_FALSE(is_right("{PLAIN}secret", "{PLAIN}secret", may_be_plain));
    }
    const auto user = [](const char* line) { return password_of(parse_virtual_user(line).value()).kind; };
    EXPECT_EQ(user("kvt:kvtpasswd:601:100:kvtname:/home/kvt_dk/:"), PasswordKind::plain);
    EXPECT_EQ(user("kvt:kvtpasswd::100:kvtname:/home/kvt_dk/:"), PasswordKind::none) << "no uid";
    EXPECT_EQ(user("kvt:kvtpasswd"), PasswordKind::none);
    EXPECT_EQ(user("kvt:{PLAIN}kvtpasswd"), PasswordKind::plain);
}

TEST(Passwords, WhatCouldBeAHashIsNeverComparedAsText) {
    const std::string digest = "0123456789abcdefABCDEF0123456789";  // MD5, or that of NT
    for (const std::string& hash : {std::string("$apr1$abcdefgh$abcdefghijklmnopqrstuv"),
                                    std::string("$P$something"),
                                    std::string("$"),
                                    std::string("_J9..rasmBYk8r9AiWNc"),
                                    std::string("_x"),
                                    std::string("{SSHA}abc"),
                                    std::string("{PLAIN.B64}c2VjcmV0"),
                                    std::string("!"),
                                    std::string("!!"),
                                    std::string("*"),
                                    std::string("*LK*"),
                                    std::string("x"),
                                    des,
                                    des + "abcdefghijk",
                                    des + "abcdefghijkabcdefghijk",
                                    digest,
                                    digest + "01234567",
                                    digest + digest,
                                    digest + digest + digest + digest,
                                    std::string("XUFAKrxLKna5cZ2REBfFkg=="),
                                    std::string("W6ph5Mm5Pz8GgiULbPgzG37mj9g="),
                                    std::string("K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=")}) {
        EXPECT_FALSE(is_right(hash, hash, true)) << hash;
        EXPECT_NE(parse_stored_password(hash, true).kind, PasswordKind::plain) << hash;
    }
    for (const char* text : {"kvtpasswd", "xx", "correct horse battery", "0123456789abcdef0", "a$b",
                             "pass=word", "abcdefghijklm!", "caf\xc3\xa9"})
        EXPECT_TRUE(is_right(text, text, true)) << text;
}

TEST(Passwords, AreLocked) {
    for (const std::string& field : {"!" + des, "*" + des, "!!" + des}) {
        const auto stored = parse_stored_password(field);
        EXPECT_TRUE(stored.is_locked && stored.has_hash()) << field;
        EXPECT_FALSE(is_password("hello", stored));
    }
    EXPECT_FALSE(parse_stored_password(des).is_locked);
}

TEST(Passwords, OneHashIsComputedWhateverIsStored) {
    const StoredPassword model = parse_stored_password(sha256);
    ASSERT_TRUE(model.has_hash());
    for (const auto& [field, setting] :
         std::vector<std::pair<std::string, std::string>>{{des, des},
                                                          {"!" + des, des},
                                                          {"", sha256},
                                                          {"x", sha256},
                                                          {"!", sha256},
                                                          {"{SSHA}abc", sha256},
                                                          {"$apr1$a$b", sha256}}) {
        const auto stored = parse_stored_password(field, true);
        for (const std::string_view password : {"hello", "kvtpasswd", "wrong", ""}) {
            hashed_with.clear();
            (void)is_password(password, stored, model);
            EXPECT_EQ(hashed_with, std::vector{setting}) << field;
        }
    }
    for (const char* field : {"kvtpasswd", "{PLAIN}kvtpasswd", "!{PLAIN}kvtpasswd"}) {
        const auto plain = parse_stored_password(field, true);
        hashed_with.clear();
        (void)is_password("wrong", plain, model);
        (void)is_password("wrong", {}, plain);
        EXPECT_EQ(hashed_with, std::vector<std::string>()) << field;
    }
    hashed_with.clear();
    EXPECT_FALSE(is_password("secret", {}, {}));
    ASSERT_EQ(hashed_with.size(), 1u) << "where a domain has no hash at all";
    char* result = ::crypt("secret", hashed_with.front().c_str());
    EXPECT_EQ(std::string(result).substr(0, 3), "$y$") << "it costs what a new password costs";
}

/// What the authenticator does for a login: which hashes.
class LoginCost : public testing::Test {
  protected:
    void SetUp() override {
        config_.identity.hostname = "host.example";
        config_.vhost.dir = folder_.path();
        put(folder_ / "domains.cf", std::to_string(::getuid()) + ":v.example:1:\n");
        std::filesystem::create_directory(folder_ / "v.example");
    }
    AuthOutcome log_in(const std::string& user, const std::string& password) {
        AuthRequest request;
        request.method = AuthRequest::Method::password;
        EXPECT_TRUE(request.user.assign(user + "@v.example") && request.password.assign(password));
        const SocketPair channel = packet_socket_pair();
        hashed_with.clear();
        answer_question(config_, request, channel.ours, {key_, tickets_}, Deadline::after(Seconds(20)));
        const auto answer = receive_struct<AuthAnswer>(channel.theirs.get(), Deadline::after(Seconds(20)));
        return answer.value().value.outcome;
    }

    Config config_;
    Folder folder_;
    const TicketKey tickets_;
    const ScramDigest key_ = make_salt_key();
};

TEST_F(LoginCost, IsTheSameForUsersLockedUsersAndNobody) {
    const std::string hash = hash_password("secret");
    put(folder_ / "v.example/passwd",
        "vera:" + hash + "\nlocked:!" + hash + "\nempty:\nx:x\nrefused:" + hash + ":0:0::/root:\n");
    for (const char* user : {"vera", "locked", "empty", "x", "refused", "nobody", "no.body"})
        for (const char* password : {"secret", "wrong"}) {
            const bool is_fine = user == std::string("vera") && password == std::string("secret");
            EXPECT_EQ(log_in(user, password), is_fine ? AuthOutcome::yes : AuthOutcome::no) << user;
            EXPECT_EQ(hashed_with, std::vector{hash}) << user;
        }
}

TEST_F(LoginCost, OfUnknownNamesIsThatOfSomeUser) {
    put(folder_ / "v.example/passwd", "one:" + des + "\ntwo:" + sha256 + "\nthree:{PLAIN}secret\n");
    std::map<std::vector<std::string>, int> names;
    for (int i = 0; i < 64; ++i) {
        const std::string name = "nobody" + std::to_string(i);
        (void)log_in(name, "wrong");
        const auto first = hashed_with;
        (void)log_in(name, "secret");
        EXPECT_EQ(hashed_with, first) << "one name always costs the same";
        ++names[first];
    }
    EXPECT_EQ(names.size(), 3u);
    EXPECT_TRUE(names.contains({}) && names.contains({des}) && names.contains({sha256}));
}

TEST_F(LoginCost, IsNoHashWhereAllPasswordsAreText) {
    put(folder_ / "v.example/passwd", "vera:{PLAIN}secret\nempty:\n");
    for (const char* user : {"vera", "empty", "nobody"})
        for (const char* password : {"secret", "wrong"}) {
            const bool is_fine = user == std::string("vera") && password == std::string("secret");
            EXPECT_EQ(log_in(user, password), is_fine ? AuthOutcome::yes : AuthOutcome::no) << user;
            EXPECT_TRUE(hashed_with.empty()) << user;
        }
}

}  // namespace
}  // namespace postoffice
