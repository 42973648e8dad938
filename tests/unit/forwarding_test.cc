// How mail that was sent on is known when it comes back.
#include "postoffice/local/forwarding.h"

#include <gtest/gtest.h>

#include "postoffice/base/disk.h"

namespace postoffice {
namespace {

bool was_there(const std::string& message, const std::string& recipient) {
    return was_delivered_to(disk::memory_file(message).get(), recipient);
}

TEST(DeliveredTo, IsFoundInTheHeaderOnly) {
    const std::string message =
        "Received: from x\nDelivered-To: bob@b.example\ndelivered-TO:\tAlice@A.example \n"
        "Subject: Delivered-To: carol@c.example\n\nDelivered-To: dave@d.example\n";
    EXPECT_TRUE(was_there(message, "alice@a.example"));
    EXPECT_TRUE(was_there(message, "bob@b.example"));
    EXPECT_FALSE(was_there(message, "carol@c.example"));
    EXPECT_FALSE(was_there(message, "dave@d.example"));
    EXPECT_FALSE(was_there(message, "ob@b.example"));
    EXPECT_FALSE(was_there("", "alice@a.example"));
    EXPECT_TRUE(was_there("Delivered-To: alice@a.example", "alice@a.example"));
}

TEST(DeliveredTo, IsFoundHoweverItIsWritten) {
    EXPECT_TRUE(was_there("Delivered-To : alice@a.example\n", "alice@a.example"));
    EXPECT_TRUE(was_there("Delivered-To:\n alice@a.example\n", "alice@a.example"));
    EXPECT_FALSE(was_there("Subject: x\n Delivered-To: alice@a.example\n", "alice@a.example"));
}

TEST(ForwardedBy, IsTheAddressThatSendsMailOn) {
    const auto by = [](const Address& original, const Address& target, bool utf8 = false) {
        Envelope envelope;
        envelope.parameters.smtputf8 = utf8;
        return forwarded_by({original, {Destination::Remote{}, target}}, envelope);
    };
    const Address alice("alice", "a.example"), bob("bob", "b.example");
    EXPECT_EQ(by(alice, bob), "alice@a.example");
    EXPECT_EQ(by(bob, bob), "");
    EXPECT_EQ(by(Address("Bob", "b.example"), bob), "");
    const Address beyond("\xc3\xa5sa", "a.example");
    EXPECT_EQ(by(beyond, bob), "") << "cannot stand in a header that is ASCII";
    EXPECT_EQ(by(beyond, bob, true), "\xc3\xa5sa@a.example");
}

}  // namespace
}  // namespace postoffice
