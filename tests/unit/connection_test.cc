#include "postoffice/net/connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"

namespace postoffice {
namespace {

using namespace std::chrono_literals;

struct Pair {
    Pair() {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw_errno("socketpair");
        connection = std::make_unique<Connection>(Fd(ends[0]));
        peer = Fd(ends[1]);
    }
    void say(std::string_view text) { disk::write_all(peer.get(), text); }
    Line line(std::size_t most = 100) { return connection->read_line(most, Deadline::after(5s)); }
    std::unique_ptr<Connection> connection;
    Fd peer;
};

TEST(Connection, LinesEndWithCrlfOrLf) {
    Pair p;
    p.say("one\r\ntwo\n\r\nthree\rfour\r\n");
    EXPECT_EQ(p.line().text, "one");
    const Line two = p.line();
    EXPECT_EQ(two.text, "two");
    EXPECT_EQ(two.end, LineEnd::bare_lf);
    EXPECT_EQ(p.line().text, "");
    EXPECT_EQ(p.line().text, "three\rfour");
}

TEST(Connection, ALineOfExactlyTheLimitIsFine) {
    Pair p;
    p.say(std::string(100, 'x') + "\r\n" + std::string(101, 'y') + "\r\nnext\r\n");
    EXPECT_EQ(p.line().status, Line::Status::complete);
    EXPECT_EQ(p.line().status, Line::Status::too_long);
    EXPECT_EQ(p.line().text, "next");
}

TEST(Connection, AnEndlessLineIsDroppedWithoutKeepingIt) {
    Pair p;
    p.say("a" + std::string(50000, 'b'));
    p.say(std::string(50000, 'c') + "\r\nafter\r\n");
    const Line line = p.line();
    EXPECT_EQ(line.status, Line::Status::too_long);
    EXPECT_EQ(line.text.size(), 100U);
    EXPECT_EQ(p.line().text, "after");
}

TEST(Connection, EndOfFileInTheMiddleOfALine) {
    Pair p;
    p.say("whole\r\npart");
    p.peer.reset();
    EXPECT_EQ(p.line().text, "whole");
    EXPECT_EQ(p.line().status, Line::Status::closed);
}

TEST(Connection, SilenceIsATimeout) {
    Pair p;
    EXPECT_THROW((void)p.connection->read_line(100, Deadline::after(1ms)), Timeout);
    EXPECT_FALSE(p.connection->wait_for_input(Deadline::after(1ms)));
}

TEST(Connection, OutputLeavesWhenAReadHasToWait) {
    Pair p;
    p.say("a\r\nb\r\n");
    (void)p.line();
    p.connection->write("1", Deadline::after(5s));
    (void)p.line();  // was buffered: nothing is sent yet
    p.connection->write("2", Deadline::after(5s));
    p.say("c\r\n");
    (void)p.line();
    char got[8];
    EXPECT_EQ(::read(p.peer.get(), got, sizeof got), 2);
}

TEST(Connection, APeerThatLeftIsPeerGone) {
    Pair p;
    p.peer.reset();
    p.connection->write("x", Deadline::after(5s));
    EXPECT_THROW(p.connection->flush(Deadline::after(5s)), PeerGone);
}

}  // namespace
}  // namespace postoffice
