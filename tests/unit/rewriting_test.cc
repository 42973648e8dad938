// Addresses of this host on mail that leaves it.
#include "postoffice/outbound/rewriting.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "../support/temporary_folder.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/mail/address_rewriting.h"

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
    const auto rewritten = [&](const Address& address) { return addresses.rewritten(address); };
    EXPECT_EQ(rewrite_addresses(header, rewritten),
              "Received: by host.example.org (x)\n"
              "From: \"bob@host.example.org\" <bob@example.org> (bob@host.example.org)\n"
              "TO: group: a@far.test,\n\t\"b c\"@example.org, @host.example.org;\n"
              "Resent-Cc: d@example.org\n"
              "Message-ID: <1@host.example.org>\nSubject: bob@host.example.org\n");
    EXPECT_FALSE(rewrite_addresses("From: a@far.test\n\n", rewritten));
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

class GenericsTest : public testing::Test {
  protected:
    GenericsTest() {
        config_.identity.hostname = "host.example.org";
        config_.identity.masquerade = "example.org";
        config_.routing.recipient_delimiter = "+";
        config_.routing.generics = folder_.path() + "/generic";
    }
    void write(const std::string& text) const { std::ofstream(config_.routing.generics) << text; }
    std::string rewritten(const std::string& address) const {
        OutgoingAddresses addresses(config_);
        addresses.refresh();
        return addresses.rewritten(*parse_addr_spec(address)).to_string();
    }

    test::TemporaryFolder folder_;
    Config config_;
};

TEST_F(GenericsTest, TheTableOfPostfixIsReadAsGenericHasIt) {
    write(
        "# as generic(5)\n"
        "bob@host.example.org    Bob.Smith@isp.example\n"
        "carol                   carol@isp.example\n"
        "carol+news@host.example.org  news@isp.example\n"
        "dora                    dora.d\n"
        "@his.localdomain.local  his-account@his-isp.example\n"
        "@inner.local            @outer.example\n"
        "@host.example.org       all@isp.example\n");
    for (const auto& [address, other] : std::initializer_list<std::pair<const char*, const char*>>{
             {"bob@host.example.org", "Bob.Smith@isp.example"},
             {"BOB@HOST.example.org", "Bob.Smith@isp.example"},
             {"bob+x@host.example.org", "Bob.Smith@isp.example"},
             {"carol@host.example.org", "carol@isp.example"},
             {"carol+news@host.example.org", "news@isp.example"},
             {"carol@far.test", "carol@far.test"},
             {"dora@localhost", "dora.d@host.example.org"},
             {"eve@his.localdomain.local", "his-account@his-isp.example"},
             {"Eve@inner.local", "Eve@outer.example"},
             {"eve@host.example.org", "all@isp.example"},
             {"eve@localhost", "eve@example.org"},  // masquerade
         })
        EXPECT_EQ(rewritten(address), other) << address;
}

TEST_F(GenericsTest, AMapThatKeepsExtensionsDoesSoWhereTheEntryHasNone) {
    write(
        "bob          Bob.Smith\n"
        "carol+news   news@isp.example\n"
        "@inner.local @outer.example\n"
        "@else.local  all@isp.example\n");
    AddressMap map(config_, "canonical", config_.routing.generics, AddressMap::Extension::kept);
    map.refresh();
    for (const auto& [address, other, line] :
         std::initializer_list<std::tuple<const char*, const char*, unsigned>>{
             {"bob@localhost", "Bob.Smith@host.example.org", 1},
             {"BOB+Tag@localhost", "Bob.Smith+Tag@host.example.org", 1},
             {"carol+news@localhost", "news@isp.example", 2},
             {"eve+x@inner.local", "eve+x@outer.example", 3},
             {"eve+x@else.local", "all@isp.example", 4},
         }) {
        const auto entry = map.find(*parse_addr_spec(address));
        ASSERT_TRUE(entry) << address;
        EXPECT_EQ(entry->address.to_string(), other);
        EXPECT_EQ(entry->line, line) << address;
    }
}

TEST_F(GenericsTest, ATableWithAnErrorRewritesNothing) {
    write("bob@host.example.org  one@a.test, two@a.test\n@inner.local @\nempty\n");
    EXPECT_THROW(rewritten("bob@host.example.org"), FormatError);
    EXPECT_EQ(rewritten("carol@far.test"), "carol@far.test");
    AddressMap map(config_, "generics", config_.routing.generics);
    map.refresh();
    EXPECT_EQ(map.problems().size(), 3U);
    std::filesystem::remove(config_.routing.generics);
    EXPECT_THROW(rewritten("carol@far.test"), FormatError) << "no table is not an empty table";
}

}  // namespace
}  // namespace postoffice
