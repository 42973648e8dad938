#include "postoffice/base/ip_address.h"

#include <gtest/gtest.h>

#include "postoffice/config/values.h"

namespace postoffice {
namespace {

TEST(IpAddress, ReadsBothFamiliesAndNothingElse) {
    EXPECT_EQ(IpAddress::parse("192.0.2.1")->to_string(), "192.0.2.1");
    EXPECT_EQ(IpAddress::parse("2001:DB8::1")->to_string(), "2001:db8::1");
    EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.1")->to_string(), "192.0.2.1");
    for (const char* bad : {"", "192.0.2", "192.0.2.256", "[::1]", "::1%lo", " ::1", "example.org"})
        EXPECT_FALSE(IpAddress::parse(bad)) << bad;
}

TEST(IpAddress, LiteralsNeedTheIpv6Tag) {
    EXPECT_EQ(IpAddress::parse_literal("[192.0.2.1]")->to_literal(), "[192.0.2.1]");
    EXPECT_EQ(IpAddress::parse_literal("[ipv6:2001:db8::1]")->to_literal(), "[IPv6:2001:db8::1]");
    for (const char* bad : {"[]", "[2001:db8::1]", "[IPv6:192.0.2.1]", "192.0.2.1", "[192.0.2.1", "[x.y.z]"})
        EXPECT_FALSE(IpAddress::parse_literal(bad)) << bad;
}

TEST(IpAddress, ReverseNames) {
    EXPECT_EQ(IpAddress::parse("192.0.2.1")->reverse_name(), "1.2.0.192.in-addr.arpa");
    EXPECT_EQ(IpAddress::parse("2001:db8::1")->reverse_name(),
              "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST(Endpoint, ReadsAddressWithOrWithoutPort) {
    EXPECT_EQ(Endpoint::parse("127.0.0.1", 25)->to_string(), "127.0.0.1:25");
    EXPECT_EQ(Endpoint::parse("127.0.0.1:2525", 25)->to_string(), "127.0.0.1:2525");
    EXPECT_EQ(Endpoint::parse("::1", 53)->to_string(), "[::1]:53");
    EXPECT_EQ(Endpoint::parse("[::1]:5353", 53)->to_string(), "[::1]:5353");
    EXPECT_EQ(Endpoint::parse("[::1]", 53)->to_string(), "[::1]:53");
    for (const char* bad : {"", ":25", "127.0.0.1:", "127.0.0.1:99999", "[::1]:", "[::1]x", "host:25"})
        EXPECT_FALSE(Endpoint::parse(bad, 25)) << bad;
}

TEST(Endpoint, LinkLocalAddressesNameTheirInterface) {
    const auto server = Endpoint::parse("fe80::1%lo", 53);
    ASSERT_TRUE(server);
    EXPECT_NE(server->zone, 0U);
    EXPECT_EQ(server->to_string(), "[fe80::1%lo]:53");
    EXPECT_EQ(Endpoint::parse("[fe80::1%lo]:5353", 53)->port, 5353);
    sockaddr_storage storage;
    server->to_sockaddr(storage);
    EXPECT_EQ(Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&storage)), server);
    for (const char* text : {"fe80::1%", "fe80::1%no-such-thing", "192.0.2.1%lo", "%lo", "[fe80::1]%lo"})
        EXPECT_FALSE(Endpoint::parse(text, 53)) << text;
}

TEST(Endpoint, SurvivesTheWayThroughASockaddr) {
    for (const char* text : {"192.0.2.1:25", "[2001:db8::1]:2525"}) {
        sockaddr_storage storage;
        const auto endpoint = *Endpoint::parse(text, 0);
        endpoint.to_sockaddr(storage);
        EXPECT_EQ(Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&storage))->to_string(), text);
    }
}

TEST(IpNetwork, ContainsWhatHasItsPrefix) {
    const auto is_in = [](const char* network, const char* address) {
        return parse_network(network)->contains(*IpAddress::parse(address));
    };
    EXPECT_TRUE(is_in("[10.20.0.0/16]", "10.20.0.0"));
    EXPECT_TRUE(is_in("[10.20.0.0/16]", "10.20.255.255"));
    EXPECT_TRUE(is_in("[10.20.0.0/16]", "::ffff:10.20.1.1"));
    EXPECT_FALSE(is_in("[10.20.0.0/16]", "10.21.0.0"));
    EXPECT_FALSE(is_in("[10.20.0.0/16]", "10.19.255.255"));
    EXPECT_TRUE(is_in("[192.0.2.128/25]", "192.0.2.128"));
    EXPECT_FALSE(is_in("[192.0.2.128/25]", "192.0.2.127"));
    EXPECT_TRUE(is_in("[192.0.2.254/31]", "192.0.2.255"));
    EXPECT_FALSE(is_in("[192.0.2.254/31]", "192.0.2.253"));
    EXPECT_TRUE(is_in("[0.0.0.0/0]", "255.255.255.255"));
    EXPECT_FALSE(is_in("[0.0.0.0/0]", "::1"));
    EXPECT_TRUE(is_in("[::/0]", "2001:db8::1"));
    EXPECT_FALSE(is_in("[::/0]", "192.0.2.1"));
    EXPECT_TRUE(is_in("[2001:db8::/33]", "2001:db8:7fff::1"));
    EXPECT_FALSE(is_in("[2001:db8::/33]", "2001:db8:8000::"));
    EXPECT_TRUE(is_in("[192.0.2.1]", "192.0.2.1"));
    EXPECT_FALSE(is_in("[192.0.2.1]", "192.0.2.2"));
    EXPECT_FALSE(parse_network("name.example"));
}

}  // namespace
}  // namespace postoffice
