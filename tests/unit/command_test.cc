#include "postoffice/smtp/command.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

using std::string_view_literals::operator""sv;

TEST(Command, VerbAndArgument) {
    const struct {
        std::string_view line, verb, argument;
    } cases[] = {
        {"QUIT", "QUIT", ""},
        {"quit  ", "quit", ""},
        {"MAIL FROM:<a@b> SIZE=1", "MAIL", "FROM:<a@b> SIZE=1"},
        {"RCPT\tTO:<a@b>", "RCPT", "TO:<a@b>"},
        {"NOOP \xc3\xa4", "NOOP", "\xc3\xa4"},
        {"X y", "X", "y"},
    };
    for (const auto& c : cases) {
        const auto command = parse_command(c.line);
        ASSERT_TRUE(command) << c.line;
        EXPECT_EQ(command->verb, c.verb);
        EXPECT_EQ(command->argument, c.argument);
    }
}

TEST(Command, NotACommand) {
    for (const auto line : {""sv, " QUIT"sv, "\xffQUIT"sv, "QUIT\0"sv, "NOOP a\rb"sv, "NOOP \x7f"sv,
                            "MAIL:<a>"sv, "Q1"sv, "1"sv, "Content-Type: x"sv, "."sv, "\0"sv})
        EXPECT_FALSE(parse_command(line)) << line;
}

TEST(Command, AfterKeyword) {
    EXPECT_EQ(after_keyword("FROM:<a@b>", "FROM:"), "<a@b>");
    EXPECT_EQ(after_keyword("from:  <a@b> x", "FROM:"), "<a@b> x");
    EXPECT_EQ(after_keyword("FROM:", "FROM:"), "");
    EXPECT_FALSE(after_keyword("FROM <a@b>", "FROM:"));
    EXPECT_FALSE(after_keyword("FROM :<a@b>", "FROM:"));
    EXPECT_FALSE(after_keyword("FRO", "FROM:"));
}

TEST(Parameters, KeywordsAndValues) {
    const auto parameters = parse_parameters(" SIZE=100  body=8BITMIME\tX-9 A=b+3D ");
    ASSERT_TRUE(parameters);
    ASSERT_EQ(parameters->size(), 4u);
    EXPECT_EQ((*parameters)[0].keyword, "SIZE");
    EXPECT_EQ((*parameters)[0].value, "100");
    EXPECT_EQ((*parameters)[1].keyword, "body");
    EXPECT_EQ((*parameters)[2].keyword, "X-9");
    EXPECT_FALSE((*parameters)[2].value);
    EXPECT_EQ((*parameters)[3].value, "b+3D");
    EXPECT_TRUE(parse_parameters("")->empty());
}

TEST(Parameters, MalformedOnesAreNamed) {
    for (const auto text :
         {"="sv, "SIZE="sv, "=5"sv, "-A=1"sv, "A=b=c"sv, "A_B=1"sv, "A=\xc3"sv, "A=\0"sv, "<>"sv}) {
        const auto parameters = parse_parameters(text);
        EXPECT_FALSE(parameters) << text;
        EXPECT_NE(parameters.problem(), "");
    }
    EXPECT_NE(parse_parameters("SIZE=1 A_B=1").problem().find("A_B=1"), std::string::npos);
}

}  // namespace
}  // namespace postoffice
