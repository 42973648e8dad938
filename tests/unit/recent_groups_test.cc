#include "postoffice/base/recent_groups.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

using Groups = std::vector<gid_t>;

Account account(const std::string& name, gid_t gid) {
    Account made{};
    made.name = name;
    made.uid = 1000;
    made.gid = gid;
    return made;
}

TEST(RecentGroups, AreAskedForOnceForEachAccount) {
    int questions = 0;
    RecentGroups groups(Seconds(3600), [&questions](const Account& one) {
        ++questions;
        return Groups{one.gid, 7};
    });
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ((Groups{100, 7}), groups.of(account("bob", 100)));
        EXPECT_EQ((Groups{101, 7}), groups.of(account("carol", 101)));
    }
    EXPECT_EQ(2, questions);
    EXPECT_EQ((Groups{102, 7}), groups.of(account("bob", 102)));
    EXPECT_EQ(3, questions);
}

TEST(RecentGroups, AreAskedForAgainWhenTheyAreOld) {
    int questions = 0;
    RecentGroups groups(Milliseconds(0),
                        [&questions](const Account&) { return Groups(1, static_cast<gid_t>(++questions)); });
    (void)groups.of(account("bob", 100));
    EXPECT_EQ(Groups{2}, groups.of(account("bob", 100)));
}

TEST(RecentGroups, OfManyAccountsTakeBoundedMemory) {
    int questions = 0;
    RecentGroups groups(Seconds(3600),
                        [&questions](const Account&) { return Groups(1, static_cast<gid_t>(++questions)); });
    for (int i = 0; i < 1001; ++i) (void)groups.of(account(std::to_string(i), 100));
    EXPECT_EQ(Groups{1002}, groups.of(account("0", 100)));
}

}  // namespace
}  // namespace postoffice
