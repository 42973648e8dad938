#include "postoffice/base/utf8.h"

#include <gtest/gtest.h>

#include "postoffice/base/idn.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

using namespace std::string_view_literals;

TEST(Utf8, WellFormed) {
    for (const auto text :
         {""sv, "ascii\0\x7f"sv, "\xc2\x80"sv, "\xdf\xbf"sv, "\xe0\xa0\x80"sv, "\xed\x9f\xbf"sv,
          "\xee\x80\x80"sv, "\xef\xbf\xbf"sv, "\xf0\x90\x80\x80"sv, "\xf4\x8f\xbf\xbf"sv})
        EXPECT_TRUE(is_utf8(text)) << text;
}

TEST(Utf8, NotWellFormed) {
    for (const auto text :
         {"\x80"sv, "\xbf"sv, "\xc0\x80"sv, "\xc1\xbf"sv, "\xc2"sv, "\xc2\x41"sv, "\xe0\x9f\xbf"sv,
          "\xe2\x82"sv, "\xed\xa0\x80"sv, "\xed\xbf\xbf"sv, "\xf0\x8f\xbf\xbf"sv, "\xf4\x90\x80\x80"sv,
          "\xf5\x80\x80\x80"sv, "\xf8\x88\x80\x80\x80"sv, "\xfe"sv, "\xff"sv, "a\xf0\x9f\x98"sv})
        EXPECT_FALSE(is_utf8(text)) << text;
}

TEST(Utf8, EveryCharacterComesBack) {
    for (char32_t c = 0; c <= 0x10FFFF; ++c) {
        if (c == 0xD800) c = 0xE000;
        std::string text;
        append_utf8(text, c);
        std::string_view rest = text;
        ASSERT_EQ(read_character(rest), c);
        ASSERT_TRUE(rest.empty());
        ASSERT_EQ(is_ascii(text), c < 0x80);
    }
}

TEST(Idn, BothWays) {
    EXPECT_EQ(domain_to_ascii("Mail.Example"), "mail.example");
    EXPECT_EQ(domain_to_unicode("mail.example"), "mail.example");
    if (!idn_is_available()) GTEST_SKIP() << "NEEDS libidn2";
    for (const auto& [unicode, ascii] : std::vector<std::pair<std::string, std::string>>{
             {"b\xc3\xbc"
              "cher.example",
              "xn--bcher-kva.example"},
             {"stra\xc3\x9f"
              "e.example",
              "xn--strae-oqa.example"},
             {"\xd0\xbf\xd0\xbe\xd1\x87\xd1\x82\xd0\xb0.\xd1\x80\xd1\x84", "xn--80a1acny.xn--p1ai"},
             {"\xe4\xbe\x8b\xe3\x81\x88.example", "xn--r8jz45g.example"}}) {
        EXPECT_EQ(domain_to_ascii(unicode), ascii);
        EXPECT_EQ(domain_to_unicode(ascii), unicode);
    }
    EXPECT_EQ(domain_to_ascii("B\xc3\x9c"
                              "CHER.Example"),
              "xn--bcher-kva.example");
    EXPECT_EQ(domain_to_ascii("bu\xcc\x88"
                              "cher.example"),
              "xn--bcher-kva.example");  // composed first
    EXPECT_EQ(domain_to_ascii("b\xc3\xbc"
                              "cher\xe3\x80\x82"
                              "example"),
              "xn--bcher-kva.example");
}

TEST(Idn, WhatIsNoDomainIsNone) {
    for (const std::string& bad :
         {std::string("\xff.example"),
          std::string("a\xe2\x80\x8b"
                      "b\xc3\xbc .example"),
          std::string(70, 'x') + "\xc3\xbc.example", std::string(2000, 'x') + "\xc3\xbc"})
        EXPECT_FALSE(domain_to_ascii(bad)) << bad;
    EXPECT_EQ(domain_to_unicode("xn--a.example"), "xn--a.example");
    EXPECT_EQ(domain_to_unicode("xn--.example"), "xn--.example");
}

TEST(Utf8, ACutLeavesNoHalfCharacter) {
    EXPECT_EQ(cut_utf8("abc", 3), "abc");
    EXPECT_EQ(cut_utf8("abc", 2), "ab");
    EXPECT_EQ(cut_utf8("ab\xf0\x9f\x93\xae", 5), "ab");
    EXPECT_EQ(cut_utf8("\xaf\xaf\xaf\xaf\xaf", 4), "\xaf\xaf\xaf\xaf") << "no UTF-8";
}

TEST(Utf8, AnOctetBeyondAsciiIsSeenWhereverItStands) {
    for (std::size_t at = 0; at < 20; ++at) {
        std::string text(20, 'x');
        EXPECT_TRUE(is_ascii(text));
        text[at] = '\x80';
        EXPECT_FALSE(is_ascii(text)) << at;
    }
}

TEST(Printable, LeavesNothingThatATerminalObeys) {
    EXPECT_EQ(printable("a\x1b[31m\r\n\x7f\tb"), "a?[31m????b");
    EXPECT_EQ(printable("\x9b"
                        "31m"),
              "?31m")
        << "CSI as one octet";
    EXPECT_EQ(printable("\xc2\x9b"
                        "31m \xc2\x80\xc2\x9f"),
              "?31m ??")
        << "CSI in UTF-8";
    EXPECT_EQ(printable("\xe2\x80\xae"
                        "gpj.exe \xe2\x81\xa6"),
              "?gpj.exe ?")
        << "text from right to left";
    EXPECT_EQ(printable("\xe2\x80\xa8"), "?") << "a line separator";
    EXPECT_EQ(printable("\xc1\x9b \xe0\x82\x9b"), "?? ???") << "overlong forms";
    EXPECT_EQ(printable("\xc2"), "?") << "half a character";
}

TEST(Printable, LeavesTextAlone) {
    for (const std::string text :
         {"", "plain text", "J\xc3\xbcrgen \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x93\xae", "\xc2\xa0"})
        EXPECT_EQ(printable(text), text);
    EXPECT_EQ(printable("two\n\tlines\x1b", "\n\t"), "two\n\tlines?");
}

}  // namespace
}  // namespace postoffice
