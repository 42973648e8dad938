// The letter that changes users of a virtual domain: what is one, and what it says.
#include "../../src/commands/domain_form.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

const std::string header = "From: alice@host.example\nSubject: *** Virtual domain update ***\n";

TEST(DomainForm, IsKnownBySubjectAndFirstLine) {
    EXPECT_EQ(find_update_line(header + "\ntrans=UPDATE&user=vera\nmore\n"), "trans=UPDATE&user=vera");
    EXPECT_EQ(find_update_line(header + "To: x\n\ntrans=UPDATE"), "trans=UPDATE");
    EXPECT_EQ(find_update_line("SUBJECT:*** Virtual domain update ***  \n\ntrans=UPDATE&x\r\n"),
              "trans=UPDATE&x");
    for (const std::string& other :
         {header + "\n\ntrans=UPDATE&user=vera\n", header + "\ntrans=UPDATED&user=vera\n",
          header + "\nhello\n", header,
          std::string("Subject: Re: *** Virtual domain update ***\n\ntrans=UPDATE&user=vera\n"),
          std::string("Subject: hello\n\ntrans=UPDATE&user=vera\n"),
          header + "Subject: another\n\ntrans=UPDATE&user=vera\n",
          std::string("X: y\n\nSubject: *** Virtual domain update ***\n\ntrans=UPDATE\n"), std::string()})
        EXPECT_FALSE(find_update_line(other)) << other;
    for (const std::string trace : {"Received: from x by y", "Delivered-To: alice@host.example",
                                    "Return-Path: <x@y>", "Resent-From: alice@host.example", "received: x"}) {
        EXPECT_FALSE(find_update_line(header + trace + "\n\ntrans=UPDATE&user=vera\n")) << trace;
        EXPECT_FALSE(find_update_line(trace + "\n" + header + "\ntrans=UPDATE&user=vera\n")) << trace;
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

}  // namespace
}  // namespace postoffice
