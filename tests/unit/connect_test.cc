// To which of several addresses of a server a connection is made (RFC 8305).
#include "postoffice/net/connect.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "postoffice/base/error.h"

namespace postoffice {
namespace {

const Deadline never = Deadline::after(std::chrono::seconds(50));  // pytest and people give up then

/// A socket on the loopback interface that listens.
class Listener {
  public:
    explicit Listener(const std::string& address, int backlog = 5)
        : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_storage name;
        const socklen_t length = Endpoint{*IpAddress::parse(address), 0}.to_sockaddr(name);
        EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&name), length), 0);
        EXPECT_EQ(::listen(socket_.get(), backlog), 0);
    }
    Endpoint endpoint() const { return *Endpoint::local_of(socket_.get()); }

  private:
    Fd socket_;
};

/// One that answers nothing, as a host that is off: its queue of connections is full.
class SilentListener {
  public:
    explicit SilentListener(const std::string& address) : listener_(address, 0) {
        for (int i = 0; i < 10; ++i) {
            try {
                fillers_.push_back(connect_to(endpoint(), Deadline::after(Milliseconds(50))));
            } catch (const Timeout&) {
                return;
            }
        }
        ADD_FAILURE() << "the queue of connections has no end";
    }
    Endpoint endpoint() const { return listener_.endpoint(); }

  private:
    Listener listener_;
    std::vector<Fd> fillers_;
};

/// No server is there.
Endpoint closed_port() {
    return Listener("127.0.0.2").endpoint();
}

TEST(Connect, TheFirstThatAnswersOnceThoseBeforeAreSilent) {
    const SilentListener silent("127.0.0.2");
    const Listener answers("127.0.0.3"), later("127.0.0.4");
    const auto made = connect_to_first({{silent.endpoint(), answers.endpoint(), later.endpoint()}}, never);
    EXPECT_EQ(made.peer, answers.endpoint());
    EXPECT_EQ(Endpoint::peer_of(made.socket.get()), answers.endpoint());
    EXPECT_EQ(made.left, (std::vector<Endpoint>{silent.endpoint(), later.endpoint()}));
}

TEST(Connect, ARefusalLeadsToTheNext) {
    const Listener answers("127.0.0.3");
    const Endpoint closed = closed_port();
    const auto made = connect_to_first({{closed, answers.endpoint()}}, never);
    EXPECT_EQ(made.peer, answers.endpoint());
    EXPECT_TRUE(made.left.empty()) << "one that refuses need not be asked again";
}

TEST(Connect, TheFirstGetsItWhereAllAnswer) {
    const Listener one("127.0.0.2"), two("127.0.0.3");
    EXPECT_EQ(connect_to_first({{one.endpoint(), two.endpoint()}}, never).peer, one.endpoint());
}

TEST(Connect, WhatIsWrongWithTheFirstIsToldIfNoneAnswers) {
    const Endpoint closed = closed_port(), other = closed_port();
    try {
        (void)connect_to_first({{closed, other}}, never);
        FAIL();
    } catch (const std::system_error& error) {
        EXPECT_NE(std::string(error.what()).find(closed.to_string()), std::string::npos) << error.what();
    }
    const SilentListener silent("127.0.0.2");
    EXPECT_THROW((void)connect_to_first({{silent.endpoint()}}, Deadline::after(Milliseconds(20))), Timeout);
}

TEST(Connect, FamiliesTakeTurns) {
    std::vector<Endpoint> places;
    for (const char* const text : {"192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.3", "2001:db8::2"})
        places.push_back({*IpAddress::parse(text), 25});
    alternate_families(places);
    std::string order;
    for (const Endpoint& place : places) order += place.address.to_string() + " ";
    EXPECT_EQ(order, "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 192.0.2.3 ");
}

}  // namespace
}  // namespace postoffice
