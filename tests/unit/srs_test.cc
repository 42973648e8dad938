// SRS: an address of this host holds the sender of forwarded mail, and leads back to it.
#include "postoffice/mail/srs.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

constexpr UnixTime today = 20'000 * 86'400;
const Address alice("alice", "a.test");

TEST(Srs, TheWayBackLeadsToTheSender) {
    const Srs srs({"secret"});
    const Address rewritten = srs.rewritten(alice, "us.test", today).value();
    EXPECT_TRUE(rewritten.to_string().starts_with("SRS0=")) << rewritten.to_string();
    EXPECT_TRUE(rewritten.to_string().ends_with("=a.test=alice@us.test")) << rewritten.to_string();
    EXPECT_TRUE(Srs::is_srs(rewritten));
    EXPECT_EQ(*srs.original(rewritten, today), alice);
    EXPECT_EQ(*srs.original(rewritten, today + 21 * 86'400), alice);
    EXPECT_FALSE(srs.original(rewritten, today + 22 * 86'400));
}

TEST(Srs, TheCaseOfTheAddressMayChangeOnTheWay) {
    const Srs srs({"secret"});
    std::string local = srs.rewritten(Address("Alice", "a.test"), "us.test", today)->local_part();
    for (char& c : local) c = static_cast<char>(std::toupper(c));
    EXPECT_EQ(*srs.original(Address(local, "us.test"), today), Address("ALICE", "a.test"));
}

TEST(Srs, AnAddressThatWasMadeElsewhereIsRefused) {
    const Srs srs({"secret"});
    const std::string local = srs.rewritten(alice, "us.test", today)->local_part();
    EXPECT_FALSE(Srs({"other"}).original(Address(local, "us.test"), today));
    EXPECT_FALSE(srs.original(Address(local + "x", "us.test"), today));
    for (const char* bad :
         {"SRS0=", "SRS0==", "SRS0=aaaaaa=", "SRS1=aaaaaa=b.test==x", "srs0+aaaaaa=aa=b.test=x"})
        EXPECT_FALSE(srs.original(Address(bad, "us.test"), today)) << bad;
    for (const char* none : {"SRS0", "SRS0x=1", "SRS", "alice", "SRS2=x"})
        EXPECT_FALSE(Srs::is_srs(Address(none, "us.test"))) << none;
}

TEST(Srs, ASecretCanBeReplaced) {
    const Address old = Srs({"old"}).rewritten(alice, "us.test", today).value();
    const Srs both({"new", "old"});
    EXPECT_EQ(*both.original(old, today), alice);
    EXPECT_FALSE(Srs({"old"}).original(both.rewritten(alice, "us.test", today).value(), today));
}

TEST(Srs, MailThatWasForwardedBeforeLeadsPastTheHostsBetween) {
    const Srs first({"1"}), second({"2"}), third({"3"});
    const Address from_first = first.rewritten(alice, "first.test", today).value();
    const Address from_second = second.rewritten(from_first, "second.test", today).value();
    EXPECT_TRUE(from_second.local_part().starts_with("SRS1="));
    EXPECT_EQ(*second.original(from_second, today), from_first);
    const Address from_third = third.rewritten(from_second, "third.test", today).value();
    EXPECT_EQ(*third.original(from_third, today), from_first);
    EXPECT_EQ(*first.original(from_first, today), alice);
}

TEST(Srs, NoLocalPartIsTooLong) {
    EXPECT_FALSE(Srs({"secret"}).rewritten(Address(std::string(50, 'x'), "a.test"), "us.test", today));
}

}  // namespace
}  // namespace postoffice
