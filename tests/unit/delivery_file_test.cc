// What delivery files say, in both languages.
#include "postoffice/routing/delivery_file.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

using TargetKind = AliasTarget::Kind;

/// One word for each instruction: "a:ADDRESS", "u:ACCOUNT", "|COMMAND", "f:PATH", "?LABEL(COMMAND)",
/// ":LABEL".
std::string told(std::string_view text, DeliveryDialect dialect) {
    const auto file = parse_delivery_file(text, dialect);
    if (!file) return "problem: " + file.problem();
    std::string words;
    for (const Instruction& i : file->instructions) {
        if (!words.empty()) words += " ";
        if (i.kind == Instruction::Kind::branch)
            words += "?" + i.label + "(" + i.command + ")";
        else if (i.kind == Instruction::Kind::label)
            words += ":" + i.label;
        else if (i.target.kind == TargetKind::program)
            words += "|" + i.target.text;
        else if (i.target.kind == TargetKind::file)
            words += "f:" + i.target.text;
        else
            words += (i.target.kind == TargetKind::account ? "u:" : "a:") + i.target.address.to_string();
    }
    return words;
}

std::string forward(std::string_view text) {
    return told(text, DeliveryDialect::forward);
}
std::string qmail(std::string_view text) {
    return told(text, DeliveryDialect::qmail);
}

TEST(Forward, AllLinesCount) {
    EXPECT_EQ(forward("bob\n# a comment\n\ncarol@example.org, \\alice\n/home/alice/copy\n"),
              "a:bob a:carol@example.org u:alice f:/home/alice/copy");
}

TEST(Forward, ALastLineWithoutItsEndCounts) {
    EXPECT_EQ(forward("bob"), "a:bob");
}

TEST(Forward, CarriageReturnsAreBlanks) {
    EXPECT_EQ(forward("bob\r\ncarol\r\n"), "a:bob a:carol");
}

TEST(Forward, ACommandGoesToAComma) {
    EXPECT_EQ(forward("|/usr/bin/tool -a \"one, two\" 'three, four'\n"),
              "|/usr/bin/tool -a \"one, two\" 'three, four'");
    EXPECT_EQ(forward("|/usr/bin/tool one, \\alice\n"), "|/usr/bin/tool one u:alice");
    EXPECT_EQ(forward("|\"exit 67\"\n"), "|exit 67");
}

TEST(Forward, FilesBelowTheHome) {
    EXPECT_EQ(forward("~/box, ./box\nMail/\n"), "f:~/box f:./box f:Mail/");
    EXPECT_EQ(qmail("~/box\nMail/\n"), "f:~/box f:Mail/");
    EXPECT_TRUE(forward("~bob/box\n").starts_with("problem: line 1: ")) << forward("~bob/box\n");
}

TEST(Forward, LabelsAndCommentsSayNothing) {
    for (const char* text : {"", "# a\n", ":a\n", ":\n:b c\n", "(a comment)\n"})
        EXPECT_TRUE(parse_delivery_file(text, DeliveryDialect::forward)->says_nothing()) << text;
    EXPECT_FALSE(parse_delivery_file("?a\n", DeliveryDialect::forward)->says_nothing());
}

TEST(Forward, AByteOrderMarkIsNoPartOfIt) {
    EXPECT_EQ(forward("\xef\xbb\xbf"
                      "bob\n"),
              "a:bob");
    EXPECT_EQ(qmail("\xef\xbb\xbf&bob@example.org\n"), "a:bob@example.org");
    EXPECT_EQ(forward("\xef\xbb\xbf# bob\n"), "");
}

TEST(Forward, InQuotesAProgramIsOneOfMany) {
    EXPECT_EQ(forward("\"|/usr/bin/vacation alice\", \\alice\n"), "|/usr/bin/vacation alice u:alice");
    EXPECT_EQ(forward("\"| exit 67\"\n"), "|exit 67");
}

TEST(Forward, NothingButCommentsSaysNothing) {
    EXPECT_EQ(forward(""), "");
    EXPECT_EQ(forward("# bob\n   \n"), "");
}

TEST(Forward, ErrorsNameTheirLine) {
    EXPECT_EQ(forward("bob\n|\n"), "problem: line 2: |: no command after the bar");
    EXPECT_EQ(forward(":include:/etc/passwd\n"),
              "problem: line 1: :include: is for the aliases of the host only");
    EXPECT_EQ(forward("bob, \":include:/etc/passwd\"\n"),
              "problem: line 1: :include: is for the aliases of the host only");
    EXPECT_TRUE(forward("bob\n\nfoo@@bar\n").starts_with("problem: line 3: "))
        << forward("bob\n\nfoo@@bar\n");
    EXPECT_EQ(forward(std::string_view("a\0b\n", 4)), "problem: line 1: a NUL");
}

TEST(Forward, FiltersOfEximAreNoForward) {
    EXPECT_EQ(forward("# Exim filter\nfinish\n"),
              "problem: line 1: the language of an Exim filter is not known here");
    EXPECT_EQ(forward("#   sieve filter  <<== a note\nkeep;\n"),
              "problem: line 1: the language of a Sieve filter is not known here");
    EXPECT_EQ(forward("# no Exim filter\nbob\n"), "a:bob");
    EXPECT_EQ(forward("bob\n# Exim filter\n"), "a:bob");
}

TEST(Forward, IsBounded) {
    EXPECT_EQ(forward(std::string(most_delivery_file_octets + 1, '#')),
              "problem: larger than " + std::to_string(most_delivery_file_octets) + " octets");
}

TEST(Branches, LabelAndCommand) {
    EXPECT_EQ(forward("?else test a = b \n|one\n?end\n:else  this text is a comment\n|two\n:end\n"),
              "?else(test a = b) |one ?end() :else |two :end");
    EXPECT_TRUE(parse_delivery_file("?x\n:x\n", DeliveryDialect::forward)->runs_in_order);
    EXPECT_FALSE(parse_delivery_file(":x\nbob\n", DeliveryDialect::forward)->runs_in_order);
}

TEST(Branches, ALabelMayBeEmpty) {
    EXPECT_EQ(qmail("? cmd\n:\n"), "?(cmd) :");
}

TEST(Qmail, ItsOwnForms) {
    EXPECT_EQ(qmail("&bob@example.org\ncarol@example.org\n./Mailbox\n./Maildir/\n|preline procmail\n+list\n"),
              "a:bob@example.org a:carol@example.org f:./Mailbox f:./Maildir/ |preline procmail");
    EXPECT_TRUE(qmail("&\n").starts_with("problem: line 1: ")) << qmail("&\n");
}

}  // namespace
}  // namespace postoffice
