// Destinations: their text for people, the account and the domain of each, and which of them are the same
// place.
#include "postoffice/mail/destination.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace postoffice {
namespace {

const Address here("bob", "b.test");

TEST(Destinations, EachKindHasATextAnAccountAndADomain) {
    using To = Destination;
    const struct {
        To::Kind kind;
        const char *text, *account, *domain;
    } rows[] = {
        {To::Mailbox{"bob"}, "bob", "bob", ""},
        {To::VirtualMailbox{"vera", "v.test"}, "vera@v.test", "", "v.test"},
        {To::Program{"cat", To::InUserFile{"bob"}}, "|cat of bob", "bob", ""},
        {To::Program{"cat", To::InHostAlias{"list"}}, "|cat of alias list", "", ""},
        {To::File{"/a", To::InDomainAlias{"list", "v.test"}}, "/a of alias list@v.test", "", "v.test"},
        {To::Instructions{"/home/bob/.qmail", "bob"}, "/home/bob/.qmail of bob", "bob", ""},
        {To::Remote{}, "bob@b.test", "", ""},
        {To::Discard{"bob"}, "/dev/null", "bob", ""},
        {To::Unrouted{}, "not known yet", "", ""},
    };
    std::set<std::string> keys;
    for (const auto& row : rows) {
        const Destination destination{row.kind, here};
        EXPECT_EQ(describe(destination), row.text);
        EXPECT_EQ(account_of(destination), row.account) << row.text;
        EXPECT_EQ(virtual_domain_of(destination), row.domain) << row.text;
        EXPECT_TRUE(keys.insert(destination_key(destination)).second) << row.text;
    }
}

TEST(Destinations, AMailboxIsOnePlaceWhateverAddressLedThere) {
    const Destination by_name{Destination::Mailbox{"bob"}, here};
    const Destination by_alias{Destination::Mailbox{"bob"}, Address("team", "b.test")};
    EXPECT_EQ(destination_key(by_name), destination_key(by_alias));
    const Destination remote{Destination::Remote{}, here},
        other{Destination::Remote{}, Address("team", "b.test")};
    EXPECT_NE(destination_key(remote), destination_key(other));
}

}  // namespace
}  // namespace postoffice
