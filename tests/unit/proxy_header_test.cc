#include "postoffice/net/proxy_header.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"

namespace postoffice {
namespace {

using namespace std::string_literals;

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string binary_header(char command, char family, const std::string& rest) {
    return signature + command + family + static_cast<char>(rest.size() >> 8) +
           static_cast<char>(rest.size()) + rest;
}

const std::string v4 = "\xc0\0\x02\x07\xc0\0\x02\x01\x30\x39\0\x19"s;  // 192.0.2.7 to 192.0.2.1
const std::string v6 =
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x30\x39\0\x19"s;

TEST(ProxyHeader, NamesTheClient) {
    EXPECT_EQ((*parse_proxy_header(binary_header(0x21, 0x11, v4)))->to_string(), "192.0.2.7");
    EXPECT_EQ((*parse_proxy_header(binary_header(0x21, 0x21, v6)))->to_string(), "2001:db8::7");
    EXPECT_EQ((*parse_proxy_header(binary_header(0x21, 0x11, v4 + "\x04\0\x02xx"s)))->to_string(),
              "192.0.2.7");  // a TLV
}

TEST(ProxyHeader, MayBeOfTheFrontEndItself) {
    EXPECT_EQ(*parse_proxy_header(binary_header(0x20, 0, "")), std::nullopt);
    EXPECT_EQ(*parse_proxy_header(binary_header(0x20, 0x11, v4)), std::nullopt);
    EXPECT_EQ(*parse_proxy_header(binary_header(0x20, 0x31, "")), std::nullopt)
        << "LOCAL: the rest has no meaning";
}

// A front end may be trusted, and a client that it knows no address of must not get its rights.
TEST(ProxyHeader, WithoutAnAddressIsRefused) {
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0, ""))) << "AF_UNSPEC";
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0, v4))) << "AF_UNSPEC, with octets";
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x01, v4))) << "AF_UNSPEC, stream";
    for (const int transport : {0, 1, 2})
        EXPECT_FALSE(parse_proxy_header(
            binary_header(0x21, static_cast<char>(0x30 | transport), std::string(216, 'a'))))
            << "AF_UNIX";
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x12, v4))) << "UDP";
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x10, v4))) << "no transport";
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x22, v6))) << "UDP over IPv6";
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x11, ""))) << "IPv4, no octets";
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x11, v4.substr(1)))) << "an octet too few";
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x21, v6.substr(1)))) << "an octet too few";
    EXPECT_FALSE(parse_proxy_header("PROXY UNKNOWN\r\n")) << "version 1";
    EXPECT_FALSE(parse_proxy_header("PROXY UNKNOWN 192.0.2.7 192.0.2.1 12345 25\r\n")) << "version 1";
}

TEST(ProxyHeader, GarbageIsAProblem) {
    const std::string good = binary_header(0x21, 0x11, v4);
    for (std::size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(parse_proxy_header(good.substr(0, n))) << n;
    EXPECT_FALSE(parse_proxy_header(good + "x"));
    EXPECT_FALSE(parse_proxy_header(binary_header(0x11, 0x11, v4))) << "version";
    EXPECT_FALSE(parse_proxy_header(binary_header(0x22, 0x11, v4))) << "command";
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x41, v4))) << "family";
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x13, v4))) << "transport";
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x21, v4))) << "too short for IPv6";
    EXPECT_FALSE(parse_proxy_header("PROXY TCP4 192.0.2.7 192.0.2.1 12345 25\r\n")) << "version 1";
    EXPECT_FALSE(
        parse_proxy_header(binary_header(0x21, 0x11, v4 + std::string(most_proxy_header_rest, 'x'))));
}

TEST(ProxyHeader, MakesNobodyLocal) {
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x11, "\x7f\0\0\x01"s + v4.substr(4))));
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x11, "\0\0\0\0"s + v4.substr(4))));
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x11, "\xe0\0\0\x01"s + v4.substr(4))));
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x21, std::string(15, '\0') + '\1' + v6.substr(16))));
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x21, std::string(16, '\0') + v6.substr(16))));
    const std::string mapped = std::string(10, '\0') + "\xff\xff\x7f\0\0\x01"s;
    EXPECT_FALSE(parse_proxy_header(binary_header(0x21, 0x21, mapped + v6.substr(16))));
}

class ProxyHeaderOnSocket : public testing::Test {
  protected:
    ProxyHeaderOnSocket() {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        ours_.reset(ends[0]);
        theirs_.reset(ends[1]);
    }
    void send(const std::string& text) {
        EXPECT_EQ(::write(theirs_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    std::optional<IpAddress> read(Milliseconds patience = Seconds(20)) {
        return read_proxy_header(ours_.get(), Deadline::after(patience));
    }

    Fd ours_, theirs_;
};

TEST_F(ProxyHeaderOnSocket, LeavesWhatFollows) {
    send(binary_header(0x21, 0x11, v4) + "EHLO");
    EXPECT_EQ(read()->to_string(), "192.0.2.7");
    char rest[10];
    EXPECT_EQ(::read(ours_.get(), rest, sizeof rest), 4);
}

TEST_F(ProxyHeaderOnSocket, WaitsWithinItsTime) {
    send(binary_header(0x21, 0x11, v4).substr(0, 20));
    EXPECT_THROW(read(Milliseconds(50)), Timeout);
}

TEST_F(ProxyHeaderOnSocket, EndsWithThePeer) {
    send(binary_header(0x21, 0x11, v4).substr(0, 20));
    theirs_.reset();
    EXPECT_THROW(read(), PeerGone);
}

TEST_F(ProxyHeaderOnSocket, RefusesGarbageAtOnce) {
    send("EHLO client.example\r\n");
    EXPECT_THROW(read(), FormatError);
}

}  // namespace
}  // namespace postoffice
