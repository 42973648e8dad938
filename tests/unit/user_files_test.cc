// Which file in a home is for which address.
#include "postoffice/routing/user_files.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

std::string apart(std::string_view local_part, const std::string& delimiters) {
    std::string text;
    for (const ExtendedName& name : extended_names(local_part, delimiters))
        text += (text.empty() ? "" : " ") + name.user + "|" + name.extension;
    return text;
}

TEST(Extensions, TheLongestNameFirst) {
    EXPECT_EQ(apart("www-data-list", "-"), "www-data|list www|data-list");
    EXPECT_EQ(apart("bob", "-"), "");
    EXPECT_EQ(apart("bob-", "-"), "");
    EXPECT_EQ(apart("-bob", "-"), "");
    EXPECT_EQ(apart("a+b-c", "+-"), "a+b|c a|b-c");
    EXPECT_EQ(apart("a-b", ""), "");
    EXPECT_EQ(extended_names(std::string(64, '-'), "-").size(), 8U);
}

TEST(Extensions, OfOneUser) {
    Config config;
    config.routing.recipient_delimiter = "-";
    EXPECT_EQ(extension_for("www-data", "WWW-Data-List", config), "List");
    EXPECT_EQ(extension_for("www-data", "www-data", config), "");
    EXPECT_EQ(extension_for("bob", "alice-x", config), "");
    EXPECT_EQ(extension_for("alias", "any-name", config), "any-name") << "all names are its extensions";
    EXPECT_EQ(extension_for("alias", "alias-name", config), "name");
}

TEST(FileNames, OfDotQmail) {
    using Names = std::vector<std::string>;
    Config config;
    config.routing.delivery_files = {".qmail"};
    EXPECT_EQ(names_of("bob", {"", ""}, config), Names{".qmail"});
    EXPECT_EQ(names_of("bob", {"a.b-c", ""}, config),
              (Names{".qmail-a:b-c", ".qmail-a:b-default", ".qmail-default"}));
    EXPECT_EQ(names_of("bob", {"../x", ""}, config), Names{}) << "no way out of the home";
}

TEST(FileNames, OfEachDelimiter) {
    using Names = std::vector<std::string>;
    Config config;
    config.routing.delivery_files = {".forward"};
    config.routing.recipient_delimiter = "+-";
    EXPECT_EQ(names_of("bob", {"x", ""}, config), (Names{".forward+x", ".forward-x", ".forward"}));
    config.routing.delivery_files = {".forward", ".qmail"};
    EXPECT_EQ(names_of("alias", {"x", ""}, config), (Names{".qmail-x", ".qmail-default"}));
}

TEST(Owners, OfListsOfDotQmail) {
    EXPECT_EQ(qmail_owner_address(Address("list", "a.test")).to_string(), "list-owner@a.test");
    EXPECT_EQ(qmail_owner_address(Address("list", "a.test"), Address("bob", "b.test")).to_string(),
              "list-owner-bob=b.test@a.test");
}

}  // namespace
}  // namespace postoffice
