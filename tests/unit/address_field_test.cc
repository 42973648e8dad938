// Fields with addresses: names get our domain, and phrases of people are quoted.
#include "postoffice/mail/address_field.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

TEST(AddressFieldTest, mailboxes_are_qualified_where_they_stand) {
    const std::vector<std::pair<std::string_view, std::string_view>> cases = {
        {" bob", " bob@h"},
        {" bob, eve@x , ann ", " bob@h, eve@x , ann@h "},
        {" Bob B. <bob>", " Bob B. <bob@h>"},
        {" \"Last, First\" <bob>", " \"Last, First\" <bob@h>"},
        {" bob (a, b) , eve", " bob@h (a, b) , eve@h"},
        {" (c) bob", " (c) bob@h"},
        {" \"a b\"", " \"a b\"@h"},
        {" <@a,@b:bob@x>", " <@a,@b:bob@x>"},
        {" group: bob, eve@x; ann", " group: bob@h, eve@x; ann@h"},
        {" undisclosed-recipients:;", " undisclosed-recipients:;"},
        {" two words", " two words"},
        {" <>", " <>"},
        {" ,,", " ,,"},
        {"", ""},
        {" bob@", " bob@"},
        {" (unclosed bob", " (unclosed bob"},
        {" \"unclosed bob", " \"unclosed bob@h"},
        {" bob\\", " bob\\@h"},
        {" <bob", " <bob@h"},
        {" x@[1.2.3.4], bob", " x@[1.2.3.4], bob@h"},
    };
    for (const auto& [body, expected] : cases) EXPECT_EQ(qualify_mailboxes(body, "h"), expected) << body;
}

TEST(AddressFieldTest, names_of_people) {
    EXPECT_EQ(display_name("Bob Smith"), "Bob Smith");
    EXPECT_EQ(display_name(""), "");
    EXPECT_EQ(display_name("Smith, Bob"), "\"Smith, Bob\"");
    EXPECT_EQ(display_name("Bob \"B\" \\ X."), "\"Bob \\\"B\\\" \\\\ X.\"");
    EXPECT_EQ(display_name("a@b"), "\"a@b\"");
    EXPECT_EQ(display_name("J\xc3\xb6rg"), "=?utf-8?B?SsO2cmc=?=");
    EXPECT_EQ(display_name("J\xf6rg"), "=?unknown-8bit?B?SvZyZw==?=");
    for (const std::string wrong :
         {"a\xed\xa0\x80", "a\xf4\x90\x80\x80", "a\xe0\x80\x80", "a\xc0\xaf", "a\xf0\x80\x80\x80"})
        EXPECT_TRUE(display_name(wrong).starts_with("=?unknown-8bit?B?")) << "RFC 3629 section 3";
    EXPECT_EQ(display_name("=?x?="), "\"=?x?=\"");
    std::string many;
    for (int i = 0; i < 60; ++i) many += "\xc3\xb6";
    const std::string encoded = display_name(many);
    for (std::size_t begin = 0; begin < encoded.size();) {
        const std::size_t end = std::min(encoded.find('\n', begin), encoded.size());
        EXPECT_LE(end - begin, 76U);
        begin = end + 1;
    }
    EXPECT_LE(display_name(std::string(5000, 'x')).size(), 300U);
}

}  // namespace
}  // namespace postoffice
