#include "postoffice/mail/header.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

TEST(Header, AFieldMayHaveBlanksBeforeItsColon) {
    EXPECT_EQ(field_name("Subject: x"), "Subject");
    EXPECT_EQ(field_name("From  \t:a@b"), "From");
    EXPECT_EQ(field_name(">From : x"), ">From");
    for (const std::string_view none : {"", ":", " a: b", "From a@b: c", "From", "a b", "\xc3\xa4: x"})
        EXPECT_EQ(field_name(none), "") << none;
    EXPECT_EQ(field_name(std::string(997, 'x') + ":").size(), 997U);
    EXPECT_EQ(field_name(std::string(998, 'x') + ":"), "");
}

TEST(Header, AMailboxLineIsNoField) {
    for (const std::string_view line : {"From a@b Sat Jan  1 00:00:00 2000", ">From a@b", ">>From  a"})
        EXPECT_TRUE(is_mbox_from_line(line)) << line;
    for (const std::string_view none :
         {"From: a@b", "From : a@b", "From \t :a", "From", "From ", "from a@b", " From a"})
        EXPECT_FALSE(is_mbox_from_line(none)) << none;
}

TEST(Header, FieldsAreTakenOneByOne) {
    std::string_view text = "A: 1\n 2\nb :\n\t3\n\nC: body\n";
    const auto first = read_field(text);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->name, "A");
    EXPECT_EQ(first->text, "A: 1\n 2\n");
    EXPECT_EQ(first->body, " 1\n 2\n");
    const auto second = read_field(text);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->name, "b");
    EXPECT_EQ(second->body, "\n\t3\n");
    EXPECT_FALSE(read_field(text));
    EXPECT_EQ(text, "\nC: body\n") << "nothing is taken at the end of the header";
    std::string_view unended = "A: 1";
    EXPECT_EQ(read_field(unended)->body, " 1");
    EXPECT_FALSE(read_field(unended));
}

TEST(Header, AFieldIsFoundByItsNameAndItsValue) {
    const std::string_view text = "A: 1\nDelivered-To:\n b@x.test \nA: 2\n\nC: 3\n";
    EXPECT_EQ(find_field(text, "a")->body, " 1\n");
    EXPECT_FALSE(find_field(text, "C")) << "the body has no fields";
    EXPECT_TRUE(has_field(text, "A", "2"));
    EXPECT_TRUE(has_field(text, "delivered-to", "B@x.test")) << "folded before its value";
    EXPECT_FALSE(has_field(text, "C", "3"));
}

TEST(Header, AValueHasNoLineEnds) {
    EXPECT_EQ(field_value(" a\n b\r\n\tc \n"), "a b\tc");
    EXPECT_EQ(field_value("\n"), "");
}

TEST(Header, AFieldIsFoldedBeforeBlanks) {
    EXPECT_EQ(folded_field("To", "a b"), "To: a b\n");
    EXPECT_EQ(folded_field("To", std::string(70, 'a') + "  bcd"),
              "To: " + std::string(70, 'a') + "\n  bcd\n");
    EXPECT_EQ(folded_field("To", std::string(2000, 'a')), "To: " + std::string(450, 'a') + "\n");
}

TEST(Header, AnMboxHoldsASenderWithBlanksAsOneWord) {
    EXPECT_EQ(mbox_from_line("\"a b\"@x.test", "DATE"), "From \"a-b\"@x.test DATE\n");
    EXPECT_EQ(mbox_from_line("", "DATE"), "From MAILER-DAEMON DATE\n");
}

}  // namespace
}  // namespace postoffice
