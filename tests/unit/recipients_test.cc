// The recipients of a command line.
#include "../../src/commands/submit/recipients.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

TEST(RecipientsTest, words_of_a_command_line) {
    Recipients recipients("host.test");
    for (const char* word : {"bob", "bob@host.test", "Eve <eve@x>, ann@x", "bob@HOST.test", "Bob"})
        recipients.add_word(word);
    std::string list;
    for (const Address& address : recipients.accepted()) list += address.to_string() + " ";
    EXPECT_EQ(list, "bob@host.test eve@x ann@x Bob@host.test ");
    EXPECT_EQ(recipients.exit_code(), 0);
    for (const char* word : {"", "<>", "-t", "--", "-f@x", "a b", "x@", "<-x@y>"}) {
        Recipients bad("host.test");
        bad.add_word(word);
        EXPECT_TRUE(bad.accepted().empty()) << word;
        ASSERT_EQ(bad.refused().size(), 1U) << word;
        EXPECT_EQ(bad.refused()[0].text, "\"" + std::string(word) + "\": bad address");
        EXPECT_EQ(bad.exit_code(), 65);
    }
}

}  // namespace
}  // namespace postoffice
