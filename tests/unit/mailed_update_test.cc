// The message that changes users of a virtual domain: how it is recognized, and what it asks for.
#include "../../src/commands/domains/mailed_update.h"

#include <gtest/gtest.h>

#include "../../src/commands/domains/user_update.h"

namespace postoffice {
namespace {

const std::string update_header = "From: alice@host.example\nSubject: *** Virtual domain update ***\n";

TEST(DomainForm, IsKnownBySubjectAndFirstLine) {
    EXPECT_EQ(find_update_line(update_header + "\ntrans=UPDATE&user=vera\nmore\n"), "trans=UPDATE&user=vera");
    EXPECT_EQ(find_update_line(update_header + "To: x\n\ntrans=UPDATE"), "trans=UPDATE");
    EXPECT_EQ(find_update_line("SUBJECT:*** Virtual domain update ***  \n\ntrans=UPDATE&x\r\n"),
              "trans=UPDATE&x");
    for (const std::string& other :
         {update_header + "\n\ntrans=UPDATE&user=vera\n", update_header + "\ntrans=UPDATED&user=vera\n",
          update_header + "\nhello\n", update_header,
          std::string("Subject: Re: *** Virtual domain update ***\n\ntrans=UPDATE&user=vera\n"),
          std::string("Subject: hello\n\ntrans=UPDATE&user=vera\n"),
          update_header + "Subject: another\n\ntrans=UPDATE&user=vera\n",
          std::string("X: y\n\nSubject: *** Virtual domain update ***\n\ntrans=UPDATE\n"), std::string()})
        EXPECT_FALSE(find_update_line(other)) << other;
    for (const std::string trace : {"Received: from x by y", "Delivered-To: alice@host.example",
                                    "Return-Path: <x@y>", "Resent-From: alice@host.example", "received: x"}) {
        EXPECT_FALSE(find_update_line(update_header + trace + "\n\ntrans=UPDATE&user=vera\n")) << trace;
        EXPECT_FALSE(find_update_line(trace + "\n" + update_header + "\ntrans=UPDATE&user=vera\n")) << trace;
    }
}

TEST(DomainForm, SaysWhatBecomesOfAUser) {
    const auto update =
        parse_user_update("trans=UPDATE&user=vera&passwd=a%26+%c3%a5%3D&forward=bob%40b.example%2c+alice");
    ASSERT_TRUE(update) << update.problem();
    EXPECT_EQ(update->user, "vera");
    EXPECT_EQ(update->password, "a& \xc3\xa5=");
    EXPECT_EQ(update->forward, "bob@b.example, alice");
    EXPECT_FALSE(update->remove);
    EXPECT_EQ(parse_user_update("trans=UPDATE&user=vera&forward=")->forward, "");
    EXPECT_EQ(parse_user_update("trans=UPDATE&user=vera&forward=%22%2fbin%2fx+y%22")->forward,
              "\"|/bin/x y\"");
    EXPECT_EQ(parse_user_update("trans=UPDATE&user=vera&forward=%22%7c%2fbin%2fx+y%22")->forward,
              "\"|/bin/x y\"");
    EXPECT_TRUE(parse_user_update("trans=UPDATE&user=vera&delete=1")->remove);
    for (const std::string bad :
         {"trans=UPDATE", "trans=UPDATE&user=vera", "trans=UPDATE&user=&passwd=x",
          "trans=UPDATE&user=../x&passwd=x",
          "trans=UPDATE&user=vera&passwd=", "trans=UPDATE&user=vera&passwd=a%0ab",
          "trans=UPDATE&user=vera&passwd=%zz", "trans=UPDATE&user=vera&passwd=%4",
          "trans=UPDATE&user=vera&forward=x%0aroot:+y", "trans=UPDATE&user=vera&forward=%3cx",
          "trans=UPDATE&user=vera&uid=0&passwd=x", "trans=DELETE&user=vera&passwd=x",
          "trans=UPDATE&user=a%3ab&passwd=x", "trans=UPDATE&user=vera&delete=0",
          "trans=UPDATE&user=v%00era&passwd=x", "trans=UPDATE&user=*&forward=x"})
        EXPECT_FALSE(parse_user_update(bad)) << bad;
    EXPECT_FALSE(parse_user_update("trans=UPDATE&user=vera&passwd=" + std::string(501, 'x')));
}

TEST(DomainForm, WhatNeedsTheSecretOfTheOwner) {
    const auto needs = [](const std::string& fields) {
        const auto update = parse_user_update("trans=UPDATE&" + fields);
        EXPECT_TRUE(update) << fields << ": " << update.problem();
        return update && needs_secret(*update);
    };
    for (const char* fields :
         {"user=vera&passwd=x", "user=vera&forward=bob%40b.example%2c+alice", "user=vera&forward=%5calice",
          "user=vera&forward=", "user=vera&delete=1", "user=vera&forward=*%40other.example"})
        EXPECT_FALSE(needs(fields)) << fields;
    for (const char* fields :
         {"user=vera&forward=%22id%22", "user=vera&forward=%22%7cid%22", "user=vera&forward=%7cid",
          "user=vera&forward=bob%2c%22%7cid%22", "user=vera&forward=%2ftmp%2fbox",
          "user=vera&forward=~%2fbox", "user=vera&forward=box%2f", "user=vera&forward=.%2fbox",
          "user=vera&forward=%2fdev%2fnull", "user=vera&forward=%3ainclude%3a%2fx",
          "user=vera&forward=bob%2c+%3ainclude%3a%2fx", "user=postmaster&passwd=x",
          "user=Postmaster&delete=1", "user=postmaster&forward=bob"})
        EXPECT_TRUE(needs(fields)) << fields;
    EXPECT_EQ(parse_user_update("trans=UPDATE&user=vera&delete=1&secret=a+b&domain=V.example")->secret,
              "a b");
    EXPECT_EQ(parse_user_update("trans=UPDATE&user=vera&delete=1&domain=V.example")->domain, "v.example");
}

}  // namespace
}  // namespace postoffice
