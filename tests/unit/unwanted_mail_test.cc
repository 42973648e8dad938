// What spam= makes of a verdict.
#include "postoffice/policy/unwanted_mail.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

using Action = UnwantedMail::Action;

const Reply verdict{550, "5.7.1", "looks\nbad"};

TEST(UnwantedMail, IsRefusedWithTheReasonOrTheTextOfTheOption) {
    Unwanted unwanted;
    EXPECT_EQ(unwanted.add({Action::bounce, ""}, verdict)->text, "looks\nbad");
    EXPECT_EQ(unwanted.add({Action::bounce, ""}, verdict, "no: ")->text, "no: looks\nbad");
    const auto refusal = unwanted.add({Action::bounce, "", "see host.test"}, verdict, "no: ");
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->line(), "550 5.7.1 no: see host.test");
    EXPECT_FALSE(unwanted);
}

TEST(UnwantedMail, GoesOnWithTheFirstReasonOnOneLine) {
    Unwanted unwanted;
    EXPECT_FALSE(unwanted.add({Action::folder, "junk"}, verdict, "no: "));
    EXPECT_FALSE(unwanted.add({Action::accept, ""}, {554, "5.7.1", "another"}));
    EXPECT_EQ(unwanted.why, "looks bad");
    EXPECT_EQ(unwanted.folder, MailFolder::spam);
    Unwanted without_words;
    EXPECT_FALSE(without_words.add({Action::accept, ""}, {550, "5.7.1", ""}));
    EXPECT_TRUE(without_words);
    EXPECT_EQ(without_words.folder, MailFolder::inbox);
}

}  // namespace
}  // namespace postoffice
