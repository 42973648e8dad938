// Packets of the milter protocol, the words of filters for clients, and where filters listen.
#include <gtest/gtest.h>

#include "../../src/milter/filter_reply.h"
#include "../../src/milter/protocol.h"
#include "postoffice/base/error.h"
#include "postoffice/config/values.h"

namespace postoffice {
namespace {

using namespace milter;
using std::string_literals::operator""s;

std::string packet(char kind, std::string_view data) {
    std::string wire;
    append_packet(wire, kind, data);
    return wire;
}

TEST(MilterPackets, AreFoundHoweverTheyAreCut) {
    const std::string wire = packet('c', "") + packet('h', "Name\0value\0"s) + packet('b', "");
    PacketReader reader;
    std::string kinds;
    for (const char octet : wire) {
        reader.feed(std::string_view(&octet, 1));
        while (const auto found = reader.take()) kinds += found->kind;
    }
    EXPECT_EQ(kinds, "chb");
}

TEST(MilterPackets, WithImpossibleLengthsAreRefused) {
    for (const std::string& length : {"\0\0\0\0"s, "\xff\xff\xff\xff"s, "\0\x10\0\1"s}) {
        PacketReader reader;
        reader.feed(length);
        EXPECT_THROW((void)reader.take(), FormatError);
    }
}

TEST(MilterPackets, LongerThanLibmilterTakesAreNotSent) {
    std::string wire;
    append_packet(wire, 'B', std::string(most_data, 'x'));
    EXPECT_THROW(append_packet(wire, 'B', std::string(most_data + 1, 'x')), FormatError);
}

TEST(MilterAnswers, AreReadWithoutTheirLastNul) {
    const Answer change = parse_answer({'m', "\0\0\0\2Subject\0hello"s});
    EXPECT_EQ(change.index, 2u);
    EXPECT_EQ(change.name, "Subject");
    EXPECT_EQ(change.value, "hello");
    EXPECT_EQ(parse_answer({'q', ""}).value, "");
    EXPECT_EQ(parse_answer({'2', "<a@b>\0NOTIFY=NEVER\0"s}).value, "NOTIFY=NEVER");
}

TEST(MilterAnswers, ThatLackAPartOrAreUnknownAreRefused) {
    EXPECT_THROW((void)parse_answer({'m', "\0\0"s}), FormatError);
    EXPECT_THROW((void)parse_answer({'h', ""}), FormatError);
    EXPECT_THROW((void)parse_answer({'+', "\0"s}), FormatError);
    EXPECT_THROW((void)parse_answer({'Z', ""}), FormatError);
}

TEST(FilterReply, HasOneCodeAndPrintableAscii) {
    const Reply reply = parse_filter_reply("550-5.7.1 100%% sp\xe4m\r\n550 5.7.1 go\x01 away");
    EXPECT_EQ(reply.wire(), "550-5.7.1 100% sp?m\r\n550 5.7.1 go? away\r\n");
}

TEST(FilterReply, NeedsNoText) {
    EXPECT_EQ(parse_filter_reply("450").line(), "450 4.7.1 Refused by a filter");
    EXPECT_EQ(parse_filter_reply("550 4.2.1 odd").line(), "550 5.7.1 odd");
    EXPECT_THROW((void)parse_filter_reply("250 2.0.0 fine"), FormatError);
    EXPECT_THROW((void)parse_filter_reply(""), FormatError);
}

TEST(SocketPlace, IsReadAsPostfixSendmailAndThisHostWriteIt) {
    const auto text = [](std::string_view place) {
        const auto parsed = parse_socket_place(place);
        return parsed ? parsed->to_string() : "problem: " + parsed.problem();
    };
    EXPECT_EQ(text("/run/f.sock"), "/run/f.sock");
    EXPECT_EQ(text("unix:/run/f.sock"), "/run/f.sock");
    EXPECT_EQ(text("local:/run/f.sock"), "/run/f.sock");
    EXPECT_EQ(text("localhost:8891"), "localhost:8891");
    EXPECT_EQ(text("inet:localhost:8891"), "localhost:8891");
    EXPECT_EQ(text("inet:8891@localhost"), "localhost:8891");
    EXPECT_EQ(text("inet6:8891@::1"), "[::1]:8891");
    EXPECT_EQ(text("[::1]:8891"), "[::1]:8891");
    EXPECT_TRUE(parse_socket_place("inet6:8891@localhost")->is_ipv6_only);
    for (const char* wrong : {"", "localhost", "unix:f.sock", "inet6:127.0.0.1:1", "h:0", "h:x", "inet:1@"})
        EXPECT_TRUE(text(wrong).starts_with("problem: ")) << wrong;
}

TEST(FilterOption, HasWordsBehindItsSocket) {
    const auto filter = parse_filter(
        "/f, on-failure=tempfail, timeout=5s, connect-timeout=2s, message-timeout=1m, "
        "changes=header+quarantine, "
        "skip=login+trusted,refusal=spam");
    ASSERT_TRUE(filter) << filter.problem();
    EXPECT_EQ(filter->on_failure, FilterSettings::OnFailure::tempfail);
    EXPECT_EQ(filter->answer_time, Seconds(5));
    EXPECT_EQ(filter->connect_time, Seconds(2));
    EXPECT_EQ(filter->message_time, Seconds(60));
    EXPECT_TRUE(filter->changes.header && filter->changes.quarantine);
    EXPECT_FALSE(filter->changes.body || filter->changes.sender || filter->changes.recipients);
    EXPECT_TRUE(filter->skip_login && filter->skip_trusted);
    EXPECT_TRUE(filter->refuses_spam);
    EXPECT_FALSE(filter->skip_local);
    for (const char* wrong :
         {"/f,", "/f,timeout=0", "/f,on-failure=", "/f,changes=hair", "/f,skip=", "/f,refusal=", "/f,x=1"})
        EXPECT_FALSE(parse_filter(wrong)) << wrong;
}

}  // namespace
}  // namespace postoffice
