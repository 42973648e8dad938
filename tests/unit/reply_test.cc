#include "postoffice/mail/reply.h"

#include <gtest/gtest.h>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

TEST(Reply, OneLine) {
    EXPECT_EQ((Reply{550, "5.1.1", "No such user"}).wire(), "550 5.1.1 No such user\r\n");
    EXPECT_EQ((Reply{354, "", "Go on"}).wire(), "354 Go on\r\n");
}

TEST(Reply, WithoutText) {
    EXPECT_EQ((Reply{250, "2.0.0", ""}).wire(), "250 2.0.0 \r\n");
    EXPECT_EQ((Reply{250, "", ""}).wire(), "250 \r\n");
}

TEST(Reply, SeveralLinesAllCarryTheStatus) {
    EXPECT_EQ((Reply{214, "2.0.0", "one\ntwo\n\nthree"}).wire(),
              "214-2.0.0 one\r\n214-2.0.0 two\r\n214-2.0.0 \r\n214 2.0.0 three\r\n");
}

TEST(Reply, WrapsAtABlankBeforeColumn70) {
    std::string words;
    for (int i = 0; i < 60; ++i) words += "word" + std::to_string(i) + " ";
    const std::string wire = Reply{550, "5.1.1", words}.wire();
    std::string joined;
    const auto lines = split(wire, '\n');
    for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
        const auto line = lines[i].substr(0, lines[i].size() - 1);
        EXPECT_LE(line.size(), 70u) << line;
        EXPECT_EQ(line.substr(0, 10), i + 2 == lines.size() ? "550 5.1.1 " : "550-5.1.1 ");
        joined += std::string(line.substr(10)) + " ";
    }
    EXPECT_EQ(trim(joined), trim(words));
}

// Each line of an answer to EHLO has a meaning, and a greeting is one line.
TEST(Reply, ALineThatMeansSomethingIsNotWrapped) {
    const std::string words =
        "NO-SOLICITING net.example:ADV,org.example:ADV,com.example:ADV net.example:ADULT,x";
    EXPECT_EQ((Reply{250, "", "mail.example Hello\n" + words, false}).wire(),
              "250-mail.example Hello\r\n250 " + words + "\r\n");
    const std::string wire = Reply{220, "", std::string(600, 'a'), false}.wire();
    for (const auto line : split(wire, '\n'))
        EXPECT_LE(line.size() + 1, 512U) << "RFC 5321 section 4.5.3.1.5";
}

TEST(Reply, ALineOfExactly70ColumnsStaysWhole) {
    const std::string text(66, 'x');
    EXPECT_EQ((Reply{250, "", text}).wire(), "250 " + text + "\r\n");
}

TEST(Reply, ALongWordIsNotCutBeforeTheLimitOfALine) {
    const std::string word(300, 'x');
    EXPECT_EQ((Reply{250, "", "a " + word + " b"}).wire(), "250-a\r\n250-" + word + "\r\n250 b\r\n");
    const std::string wire = Reply{250, "2.0.0", std::string(5000, 'y')}.wire();
    for (const auto line : split(wire, '\n')) EXPECT_LE(line.size(), 511u);
}

TEST(Reply, ControlCharactersCannotForgeALine) {
    EXPECT_EQ((Reply{550, "5.1.1", std::string("a\r\x01\0b\x7f", 6)}).wire(), "550 5.1.1 a???b?\r\n");
}

TEST(Reply, LineForLogs) {
    EXPECT_EQ((Reply{550, "5.1.1", "No such user\nhere\r"}).line(), "550 5.1.1 No such user here");
    EXPECT_EQ((Reply{250, "", ""}).line(), "250");
}

TEST(Reply, EnhancedStatusIsSplitOff) {
    const auto good = split_enhanced_status("5.1.10  Null MX");
    EXPECT_EQ(good.status, "5.1.10");
    EXPECT_EQ(good.text, "Null MX");
    EXPECT_EQ(split_enhanced_status("4.0.0").status, "4.0.0");
    for (const auto* text :
         {"", "5", "5.1", "5.1.1.1 x", "3.1.1 x", "5.1234.1 x", "5..1 x", "5.1. x", "5.1.1x", " 5.1.1 x"}) {
        EXPECT_EQ(split_enhanced_status(text).status, "") << text;
        EXPECT_EQ(split_enhanced_status(text).text, text);
    }
}

}  // namespace
}  // namespace postoffice
