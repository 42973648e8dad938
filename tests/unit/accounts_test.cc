// Accounts and groups of the host: found by name or number, and absent ones told apart from errors.
#include "postoffice/base/accounts.h"

#include <gtest/gtest.h>

#include <string>

namespace postoffice {
namespace {

constexpr uid_t no_such_id = 4'000'000'001;

TEST(Accounts, AreFoundByNameAndByUid) {
    const auto by_name = find_account("root");
    const auto by_uid = find_account(uid_t{0});
    ASSERT_TRUE(by_name && by_uid);
    EXPECT_EQ(by_name->uid, 0U);
    EXPECT_EQ(by_uid->name, "root");
    EXPECT_EQ(by_name->home, by_uid->home);
    EXPECT_EQ(find_login("root")->uid, 0U);
    EXPECT_EQ(find_login("0")->name, "root");
}

TEST(Accounts, AbsentOnesAreNoError) {
    EXPECT_FALSE(find_account("no-such-account"));
    EXPECT_FALSE(find_account(no_such_id));
    EXPECT_FALSE(find_account(""));
    EXPECT_FALSE(find_account(std::string("root\0x", 6)));
    EXPECT_FALSE(find_login("4294967295")) << "(uid_t)-1 is no account";
    EXPECT_FALSE(find_group("no-such-group"));
    EXPECT_FALSE(find_group("0")) << "a group is found by its name only";
}

TEST(Accounts, EachUidAndGidHasAText) {
    EXPECT_EQ(login_name(0), "root");
    EXPECT_EQ(login_name(no_such_id), "uid4000000001");
    EXPECT_EQ(group_name(0), "root");
    EXPECT_EQ(group_name(no_such_id), "4000000001");
    EXPECT_EQ(find_group("root"), gid_t{0});
}

}  // namespace
}  // namespace postoffice
