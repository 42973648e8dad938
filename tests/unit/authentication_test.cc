// Base 64, SASL messages, SCRAM.
#include "postoffice/policy/authentication.h"

#include <gtest/gtest.h>

#include "postoffice/base/base64.h"
#include "postoffice/policy/passwords.h"
#include "postoffice/policy/sasl.h"

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
    EXPECT_EQ(parse_plain(std::string_view("bob\0alice\0secret", 16))->acts_as, "bob");
    EXPECT_FALSE(parse_plain(std::string_view("\0alice\0", 7)));
    EXPECT_FALSE(parse_plain(std::string_view("\0\0secret", 8)));
    EXPECT_FALSE(parse_plain(std::string_view("alice\0secret", 12)));
    EXPECT_FALSE(parse_plain(std::string_view("\0a\0b\0c", 6)));
    EXPECT_FALSE(parse_plain(""));
}

// The example of RFC 7677 section 3: user "user", password "pencil".
constexpr auto pencil =
    "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
constexpr auto pencil_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr auto pencil_nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

TEST(Scram, TheExampleOfTheRfc) {
    if (!has_scram) GTEST_SKIP() << "SCRAM is not built in";
    const auto verifier = parse_scram_verifier(pencil);
    ASSERT_TRUE(verifier);
    EXPECT_TRUE(is_scram_password("pencil", *verifier));
    EXPECT_FALSE(is_scram_password("Pencil", *verifier));
    EXPECT_FALSE(is_scram_password("", *verifier));

    const auto first = parse_scram_first(pencil_first);
    const auto final = parse_scram_final(std::string("c=biws,r=") + pencil_nonce +
                                         ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    ASSERT_TRUE(first && final);
    EXPECT_EQ(final->binding, first->header);
    EXPECT_EQ(final->nonce, pencil_nonce);
    ScramChallenge challenge;
    challenge.iterations = verifier->iterations;
    ASSERT_TRUE(challenge.nonce.assign("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"));
    ASSERT_TRUE(challenge.salt.assign("W22ZaJ0SNY7soEsUEjb6gQ=="));
    const std::string message =
        first->bare + "," + scram_server_first(first->nonce, challenge) + "," + final->without_proof;
    const auto signature = check_scram_proof(*verifier, message, final->proof);
    ASSERT_TRUE(signature);
    EXPECT_EQ(base64(std::string(signature->begin(), signature->end())),
              "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    EXPECT_FALSE(check_scram_proof(*verifier, message + " ", final->proof));
    auto wrong = final->proof;
    wrong[31] ^= 1;
    EXPECT_FALSE(check_scram_proof(*verifier, message, wrong));
}

TEST(Scram, WhatIsNoVerifier) {
    if (!has_scram) GTEST_SKIP() << "SCRAM is not built in";
    const std::string good = pencil;
    for (const std::string& bad :
         {std::string(), std::string("{SCRAM-SHA-256}"), "!" + good, good + ",", good.substr(1),
          good.substr(0, good.size() - 1), "{SCRAM-SHA-1}" + good.substr(15),
          "{SCRAM-SHA-256}0" + good.substr(19), "{SCRAM-SHA-256}-1" + good.substr(19),
          "{SCRAM-SHA-256}99999999" + good.substr(19),
          "{SCRAM-SHA-256}4096," + good.substr(good.find("==") + 2),
          "{SCRAM-SHA-256}4096," + std::string(100, 'A') + good.substr(good.find("==") + 2)}) {
        EXPECT_FALSE(parse_scram_verifier(bad)) << bad;
        EXPECT_FALSE(is_password("pencil", parse_stored_password(bad, true))) << bad;
    }
    EXPECT_TRUE(parse_scram_verifier("{scram-sha-256}" + good.substr(15)));
    EXPECT_TRUE(is_password("pencil", parse_stored_password(good)));
}

TEST(Scram, NobodyLooksLikeSomebody) {
    if (!has_scram) GTEST_SKIP() << "SCRAM is not built in";
    const auto key = scram_key("this host", "salts"), other_key = scram_key("other host", "salts");
    EXPECT_NE(key, scram_key("this host", "another purpose"));
    const auto nobody = decoy_verifier(key, "nobody@v.example", std::nullopt);
    EXPECT_EQ(nobody.salt.size(), ScramVerifier::default_salt);
    EXPECT_EQ(nobody.iterations, ScramVerifier::default_iterations);
    EXPECT_EQ(decoy_verifier(key, "nobody@v.example", std::nullopt).salt, nobody.salt);
    EXPECT_NE(decoy_verifier(key, "noone@v.example", std::nullopt).salt, nobody.salt);
    EXPECT_NE(decoy_verifier(other_key, "nobody@v.example", std::nullopt).salt, nobody.salt);
    ScramVerifier model;
    model.iterations = 12345;
    model.salt = std::string(ScramVerifier::longest_salt, 'x');
    const auto alike = decoy_verifier(key, "nobody@v.example", model);
    EXPECT_EQ(alike.iterations, model.iterations);
    EXPECT_EQ(alike.salt.size(), model.salt.size());
    EXPECT_FALSE(is_scram_password("", nobody));
}

TEST(Scram, MessagesOfClients) {
    const auto first = parse_scram_first("p=tls-exporter,a=a=2Cb,n=a=2Cb,r=xyz,e=more");
    ASSERT_TRUE(first);
    EXPECT_EQ(first->header, "p=tls-exporter,a=a=2Cb,");
    EXPECT_EQ(first->bare, "n=a=2Cb,r=xyz,e=more");
    EXPECT_EQ(first->binding, 'p');
    EXPECT_EQ(first->binding_name, "tls-exporter");
    EXPECT_EQ(first->user, "a,b");
    EXPECT_EQ(first->nonce, "xyz");
    for (const auto text : {"",
                            "n",
                            "n,",
                            "n,,",
                            "n,,n=a",
                            "n,,n=a,",
                            "n,,n=a,r=",
                            "n,,n=,r=b",
                            "n,,r=b,n=a",
                            "q,,n=a,r=b",
                            "p=,,n=a,r=b",
                            "nn,,n=a,r=b",
                            "n,a=b,n=a,r=b",
                            "n,a=,n=a,r=b",
                            "n,b,n=a,r=b",
                            "n,,n==,r=b",
                            "n,,n=a=2c,r=b",
                            "n,,n=a=2,r=b",
                            "n,,m=1,n=a,r=b",
                            "n,,n=a,r=b b",
                            "n,,n=a,r=b\x7f"})
        EXPECT_FALSE(parse_scram_first(text)) << text;
    const std::string proof = std::string(43, 'A') + "=";
    const auto final = parse_scram_final("c=biws,r=abc,x=1,p=" + proof);
    ASSERT_TRUE(final);
    EXPECT_EQ(final->without_proof, "c=biws,r=abc,x=1");
    EXPECT_EQ(final->binding, "n,,");
    EXPECT_EQ(final->nonce, "abc");
    for (const auto& text :
         {"", "p=", "c=biws,p=", "c=biws,r=,p=", "r=abc,c=biws,p=", "c=biw,r=abc,p=", "x=1,c=biws,r=abc,p="})
        EXPECT_FALSE(parse_scram_final(text + proof)) << text;
    for (const auto& text : {"c=biws,r=abc,p=", "c=biws,r=abc,p=AAAA", "c=biws,r=abc", "c=biws,r=abc,p"})
        EXPECT_FALSE(parse_scram_final(text)) << text;
}

}  // namespace
}  // namespace postoffice
