#include "../../src/smtp/client/reply_reader.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

Reply read(std::string_view octets) {
    ReplyReader reader;
    EXPECT_EQ(reader.feed(octets), octets.size());
    EXPECT_TRUE(reader.is_complete());
    return reader.take();
}

TEST(ReplyReader, OneLine) {
    const Reply reply = read("250 fine\r\n");
    EXPECT_EQ(reply.code, 250);
    EXPECT_EQ(reply.status, "");
    EXPECT_EQ(reply.text, "fine");
}

TEST(ReplyReader, ABareCodeIsAReply) {
    EXPECT_EQ(read("354\r\n").code, 354);
    EXPECT_EQ(read("250 \r\n").text, "");
}

TEST(ReplyReader, LfAloneEndsALineToo) {
    EXPECT_EQ(read("220-one\n220 two\n").text, "one\ntwo");
}

TEST(ReplyReader, SeveralLinesWithOneStatus) {
    const Reply reply = read("550-5.7.1 go\r\n550-5.7.1 away\r\n550 5.7.1 please\r\n");
    EXPECT_EQ(reply.code, 550);
    EXPECT_EQ(reply.status, "5.7.1");
    EXPECT_EQ(reply.text, "go\naway\nplease");
}

TEST(ReplyReader, AStatusOfAnotherClassIsText) {
    const Reply reply = read("550 2.1.5 what\r\n");
    EXPECT_EQ(reply.status, "");
    EXPECT_EQ(reply.text, "2.1.5 what");
}

TEST(ReplyReader, TakesOnlyItsOwnOctets) {
    ReplyReader reader;
    EXPECT_EQ(reader.feed("250 a\r\n550 b\r\n"), 7U);
    EXPECT_EQ(reader.take().text, "a");
    EXPECT_EQ(reader.feed("550 b\r\n"), 7U);
    EXPECT_EQ(reader.take().text, "b");
}

TEST(ReplyReader, OctetByOctet) {
    ReplyReader reader;
    for (const char c : std::string_view("250-4.0.0 x\r\n250 2.1.0 y\r\n")) {
        EXPECT_FALSE(reader.is_complete());
        EXPECT_EQ(reader.feed({&c, 1}), 1U);
    }
    const Reply reply = reader.take();
    EXPECT_EQ(reply.status, "2.1.0");
    EXPECT_EQ(reply.text, "4.0.0 x\ny");
}

TEST(ReplyReader, ControlCharactersAreMadeHarmless) {
    EXPECT_EQ(read(std::string_view("250 a\0b\033\r\n", 10)).text, "a?b?");
    EXPECT_EQ(read("250 a\rb\r\n").text, "a?b");
}

TEST(ReplyReader, WhatIsNoReply) {
    for (const std::string_view garbage :
         {"\r\n", "25\r\n", "2500 x\r\n", "abc hello\r\n", "150 no\r\n", "650 no\r\n", "HTTP/1.1 400 Bad\r\n",
          "250\ttab\r\n", "-50 x\r\n", "\xff\xff\xff\r\n", "250-a\r\nfree text\r\n"}) {
        ReplyReader reader;
        EXPECT_THROW(reader.feed(garbage), BadReply) << garbage;
    }
}

TEST(ReplyReader, CodesOfOneClassMayDiffer) {
    EXPECT_EQ(read("250-a\r\n251 b\r\n").code, 251);
}

TEST(ReplyReader, YesAndNoAtOnceIsNoAnswer) {
    ReplyReader reader;
    EXPECT_THROW(reader.feed("250-a\r\n550 b\r\n"), BadReply);
}

TEST(ReplyReader, TooManyLines) {
    ReplyReader reader;
    for (std::size_t i = 0; i < ReplyReader::most_lines; ++i) reader.feed("250-x\r\n");
    EXPECT_THROW(reader.feed("250 x\r\n"), BadReply);
}

TEST(ReplyReader, ALineThatDoesNotEnd) {
    ReplyReader reader;
    reader.feed("250 ");
    const std::string flood(1000, 'x');
    EXPECT_THROW(
        for (std::size_t sent = 0; sent <= ReplyReader::most_octets; sent += flood.size()) reader.feed(flood),
        BadReply);
}

TEST(ReplyReader, ALongLineIsKept) {
    const std::string text(2000, 'x');
    EXPECT_EQ(read("250 " + text + "\r\n").text, text);
}

TEST(Completion, OnlyDataIsAnsweredWith3yz) {
    EXPECT_THROW((void)completion(Reply{354, "", "go"}), BadReply);
    EXPECT_EQ(completion(Reply{550, "", "no"}).code, 550);
}

}  // namespace
}  // namespace postoffice
