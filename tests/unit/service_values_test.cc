// Values that name servers: policy-service=.
#include <gtest/gtest.h>

#include "postoffice/config/values.h"

namespace postoffice {
namespace {

TEST(PolicyServiceValue, IsAPlaceWithOptions) {
    const auto plain = parse_policy_service("/run/policy.sock");
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->place.to_string(), "/run/policy.sock");
    EXPECT_TRUE(plain->stages.rcpt && !plain->stages.data && !plain->stages.end_of_message);
    EXPECT_FALSE(plain->all_clients || plain->failure_accepts);
    EXPECT_EQ(plain->timeout, Seconds(30));

    const auto full = parse_policy_service(
        "inet:127.0.0.1:10023, stages=data+end-of-message, clients=all, refusal=spam, timeout=5s, "
        "on-failure=accept, "
        "context=a=b c");
    ASSERT_TRUE(full) << full.problem();
    EXPECT_EQ(full->place.to_string(), "127.0.0.1:10023");
    EXPECT_TRUE(!full->stages.rcpt && full->stages.data && full->stages.end_of_message);
    EXPECT_TRUE(full->all_clients && full->failure_accepts && full->refuses_spam);
    EXPECT_EQ(full->timeout, Seconds(5));
    EXPECT_EQ(full->context, "a=b c");
    EXPECT_EQ(parse_policy_service("unix:/run/p")->place.to_string(), "/run/p");
    EXPECT_EQ(parse_policy_service("inet:localhost:10023")->place.to_string(), "localhost:10023");
    EXPECT_EQ(parse_policy_service("[::1]:10023")->place.to_string(), "[::1]:10023");
}

TEST(PolicyServiceValue, IsRefusedWithAReason) {
    for (const char* text :
         {"", "localhost", "127.0.0.1", "127.0.0.1:0", "unix:relative", "/a,", "/a,stages=", "/a,stages=helo",
          "/a,clients=some", "/a,refusal=no", "/a,timeout=0s", "/a,timeout=5m", "/a,timeout=soon",
          "/a,on-failure=reject", "/a,fail=accept", "/a,context=\x01"})
        EXPECT_NE(parse_policy_service(text).problem(), "") << text;
    EXPECT_NE(parse_policy_service("/" + std::string(200, 'x')).problem(), "");
}

}  // namespace
}  // namespace postoffice
