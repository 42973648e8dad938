// Addresses of this host on mail that leaves it.
#include "postoffice/outbound/rewriting.h"

#include <gtest/gtest.h>

#include "postoffice/base/disk.h"

namespace postoffice {
namespace {

Config config_of() {
    Config config;
    config.identity.hostname = "host.example.org";
    config.identity.masquerade = "example.org";
    config.identity.local_domains = {"other.test"};
    return config;
}

TEST(OutgoingAddresses, TheHostNameIsReplaced) {
    const Config config = config_of();
    const OutgoingAddresses addresses(config);
    EXPECT_EQ(addresses.rewritten(Address("bob", "host.example.org")), Address("bob", "example.org"));
    EXPECT_EQ(addresses.rewritten(Address("bob", "localhost")), Address("bob", "example.org"));
    for (const char* domain : {"example.org", "sub.host.example.org", "other.test", "far.test"})
        EXPECT_EQ(addresses.rewritten(Address("bob", domain)), Address("bob", domain));
    EXPECT_EQ(addresses.rewritten(Address()), Address());
}

TEST(OutgoingAddresses, InHeadersOnlyAddressesChange) {
    const Config config = config_of();
    const OutgoingAddresses addresses(config);
    const std::string header =
        "Received: by host.example.org (x)\n"
        "From: \"bob@host.example.org\" <bob@host.example.org> (bob@host.example.org)\n"
        "TO: group: a@far.test,\n\t\"b c\"@host.example.org, @host.example.org;\n"
        "Resent-Cc: d@HOST.example.org\n"
        "Message-ID: <1@host.example.org>\nSubject: bob@host.example.org\n\nFrom: bob@host.example.org\n";
    EXPECT_EQ(addresses.rewritten_header(header),
              "Received: by host.example.org (x)\n"
              "From: \"bob@host.example.org\" <bob@example.org> (bob@host.example.org)\n"
              "TO: group: a@far.test,\n\t\"b c\"@example.org, @host.example.org;\n"
              "Resent-Cc: d@example.org\n"
              "Message-ID: <1@host.example.org>\nSubject: bob@host.example.org\n");
    EXPECT_FALSE(addresses.rewritten_header("From: a@far.test\n\n"));
}

TEST(OutgoingAddresses, TheReplacementEndsWhereTheFieldsEnd) {
    const Config config = config_of();
    const OutgoingAddresses addresses(config);
    const std::string message = "From: bob@host.example.org\n\nText\n";
    const Fd file = disk::memory_file(message);
    const auto replacement = addresses.replacement_for(file.get());
    ASSERT_TRUE(replacement);
    EXPECT_EQ(replacement->text + message.substr(replacement->replaces), "From: bob@example.org\n\nText\n");
}

}  // namespace
}  // namespace postoffice
