// What a policy of MTA-STS says, and which DNS records announce one (RFC 8461).
#include "postoffice/outbound/sts_policy.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

using Mode = StsPolicy::Mode;

// Section 3.2 of the RFC shows these fields.
constexpr const char* whole =
    "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: "
    "backupmx.example.com\r\n"
    "max_age: 604800\r\n";

TEST(StsPolicy, HasTheFieldsOfTheFile) {
    const auto policy = parse_sts_policy(whole);
    ASSERT_TRUE(policy) << policy.problem();
    EXPECT_EQ(policy->mode, Mode::enforce);
    EXPECT_EQ(policy->hosts,
              (std::vector<std::string>{"mail.example.com", "*.example.net", "backupmx.example.com"}));
    EXPECT_EQ(policy->max_age, Seconds(604800));
}

TEST(StsPolicy, ToleratesBlanksOtherFieldsAndPlainLineEnds) {
    const auto policy = parse_sts_policy(
        "max_age:1\n\nnew_field: 1 2 3\nmode:  testing \n mx : MX.Example.ORG\nversion : STSv1\nmode: none");
    ASSERT_TRUE(policy) << policy.problem();
    EXPECT_EQ(policy->mode, Mode::testing) << "the first of two counts";
    EXPECT_EQ(policy->hosts, std::vector<std::string>{"mx.example.org"});
}

TEST(StsPolicy, HoldsForAYearAtMost) {
    const auto policy = parse_sts_policy("version: STSv1\nmode: none\nmax_age: 9999999999\n");
    ASSERT_TRUE(policy) << policy.problem();
    EXPECT_EQ(policy->max_age, Seconds(31'557'600));
}

TEST(StsPolicy, IsRefusedIfItIsMalformed) {
    for (const std::string text :
         {"", "version: STSv2\nmode: none\nmax_age: 1\n", "mode: none\nmax_age: 1\n",
          "version: STSv1\nmode: force\nmx: a.example\nmax_age: 1\n",
          "version: STSv1\nmx: a.example\nmax_age: 1\n", "version: STSv1\nmode: enforce\nmax_age: 1\n",
          "version: STSv1\nmode: enforce\nmx: a.example\n",
          "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: -1\n",
          "version: STSv1\nmode: enforce\nmx: *\nmax_age: 1\n",
          "version: STSv1\nmode: enforce\nmx: a.*.example\nmax_age: 1\n",
          "version: STSv1\nmode: enforce\nmx: a example\nmax_age: 1\n",
          "version: STSv1\nmode: enforce\nmx: .example\nmax_age: 1\n",
          "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1\n<html>\n"})
        EXPECT_FALSE(parse_sts_policy(text)) << text;
    EXPECT_FALSE(parse_sts_policy(std::string("version: STSv1\nmode: none\nmax_age: 1\0\n", 38)));
    EXPECT_FALSE(parse_sts_policy(whole + std::string(longest_sts_policy, '\n')));
}

TEST(StsRecord, GivesTheIdOfThePolicy) {
    EXPECT_EQ(sts_policy_id({"v=STSv1; id=20160831085700Z;"}), "20160831085700Z");
    EXPECT_EQ(sts_policy_id({"v=STSv1;id=1"}), "1");
    EXPECT_EQ(sts_policy_id({"v=spf1 -all", "v=STSv1; new=x; id=a1", "other"}), "a1");
    EXPECT_EQ(sts_policy_id({"v=STSv1; id=" + std::string(32, 'a')}), std::string(32, 'a'));
}

TEST(StsRecord, AnnouncesNothingIfItIsNotTheOnlyOneOrMalformed) {
    for (const std::vector<std::string>& records :
         std::vector<std::vector<std::string>>{{},
                                               {"v=spf1 -all"},
                                               {"v=STSv1; id=1", "v=STSv1; id=1"},
                                               {"v=STSv1; id=1", "v=STSv1"},
                                               {"v=STSv1"},
                                               {"v=STSv1;"},
                                               {"v=STSv1; id="},
                                               {"v=STSv1; id=a b"},
                                               {"v=STSv1; id=" + std::string(33, 'a')},
                                               {"v=STSv12; id=1"},
                                               {" v=STSv1; id=1"},
                                               {std::string("v=STSv1; id=1\0", 14)}})
        EXPECT_EQ(sts_policy_id(records), "") << testing::PrintToString(records);
}

}  // namespace
}  // namespace postoffice
