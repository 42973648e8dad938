// Ids that other POP3 servers gave are taken over by the first session.
#include "../../src/maildrop/foreign_ids.h"

#include "mbox_fixture.h"
#include "postoffice/maildrop/maildrop.h"

namespace postoffice {
namespace {

using namespace testing_local;
using namespace testing_mbox;
namespace fs = std::filesystem;

TEST(ForeignIds, OfDovecotAreItsNumbersOrTheIdsItWasGiven) {
    const ForeignIds ids = read_dovecot_uidlist(
        "3 V1795944334 N9 Gf6bdc3108eef0b6b3b53000083ecc375\n"
        "1 W17 :1001.M1P1.h\n"
        "2 W17 S17 PUID5-99 O3 :1002.M1P1.h,S=17:2,S\n"
        "300 :1003.h\n"
        "garbage\n\n4\nx :1004.h\n:1005.h\n6 P :1006.h\n");
    EXPECT_EQ((ForeignIds{{"1001.M1P1.h", "000000016b0bef8e"},
                          {"1002.M1P1.h,S=17", "UID5-99"},
                          {"1003.h", "0000012c6b0bef8e"}}),
              ids);
    for (const char* other : {"", "3", "1 V1 N2\n1 :a\n", "3 N2 V1\n1 :a\n", "3 Vx N1\n1 :a\n"})
        EXPECT_TRUE(read_dovecot_uidlist(other).empty()) << other;
}

TEST(ForeignIds, OfCourierAreNumberAndValidity) {
    const ForeignIds ids = read_courier_sizelist(
        "/3 7 1275660208\n127.M3P9.host:2,S 2481 4:1275660208:0\na b 5 6:7\nx 1\ny 1 z:1:0\n");
    EXPECT_EQ((ForeignIds{{"127.M3P9.host", "UID4-1275660208"}, {"a b", "UID6-7"}}), ids);
    EXPECT_TRUE(read_courier_sizelist("/1 7\na 5 6\n").empty());
}

class TakenOver : public Mbox {
  protected:
    std::vector<std::string> uids(const std::string& path) {
        const auto drop = open_maildrop(path, {});
        std::vector<std::string> found;
        for (const MaildropEntry& entry : drop->entries()) found.push_back(entry.uid);
        return found;
    }
    using Uids = std::vector<std::string>;
};

TEST_F(TakenOver, NumbersInAnMboxThatDovecotServed) {
    put(path(), from_line + "Subject: 1\nX-IMAPbase: 1795944334 0000000003\nX-UID: 1          \n\nx\n\n" +
                    from_line + "Subject: 2\nX-UID: 2       \nStatus: O\n\nx\n\n" + from_line +
                    "Subject: new\n\nx\n\n" + from_line + "Subject: stale\nX-UID: 1\n\nx\n\n");
    const Uids first = uids(path());
    ASSERT_EQ(4U, first.size());
    EXPECT_EQ("000000016b0bef8e", first[0]);
    EXPECT_EQ("000000026b0bef8e", first[1]);
    EXPECT_EQ(32U, first[2].size());
    EXPECT_EQ(32U, first[3].size());
    // The fields have no say in later sessions.
    put(path(),
        from_line + "Subject: 2\n\nx\n\n" + from_line + "Subject: other\nX-UID: 9\nX-IMAPbase: 1 1\n\n\n");
    EXPECT_EQ(first[1], uids(path())[0]);
    EXPECT_EQ(32U, uids(path())[1].size());
}

TEST_F(TakenOver, IdsInFieldsIfTheyAreValidAndDifferent) {
    put(path(), from_line + "X-UIDL: !abc\"~\nA: 1\n\n\n" + from_line + "X-UIDL: !abc\"~\nA: 2\n\n\n" +
                    from_line + "X-UIDL: two words\nA: 3\n\n\n");
    const Uids found = uids(path());
    EXPECT_EQ("!abc\"~", found.at(0));
    EXPECT_EQ(32U, found.at(1).size());
    EXPECT_EQ(32U, found.at(2).size());
}

TEST_F(TakenOver, FieldsOfMailutilsRatherThanItsNumbers) {
    const std::string ids = "X-UIDL: 74.1795965591.1\n", number = "X-UID: 1\n";
    put(path(),
        from_line + ids + "X-IMAPbase:           1795965591                    3\n" + number + "\nx\n\n");
    EXPECT_EQ(Uids{"74.1795965591.1"}, uids(path()));
    fs::remove(folder_ / ".somebody.pop3");
    put(path(), from_line + ids + "X-IMAPbase: 1795944334 0000000003\n" + number + "\nx\n\n");
    EXPECT_EQ(Uids{"000000016b0bef8e"}, uids(path()));  // Dovecot was the last
}

TEST_F(TakenOver, ListOfTheAdministrator) {
    put(folder_ / ".somebody.pop3-uids", "# from the old host\n1 one\n3 three\n\n4 one\n");
    put(path(), from_line + "A: 1\n\n\n" + from_line + "X-UIDL: two\nA: 2\n\n\n" + from_line + "A: 3\n\n\n");
    EXPECT_EQ((Uids{"one", "two", "three"}), uids(path()));
}

TEST_F(TakenOver, FilesBesideTheMessagesOfAMaildir) {
    const std::string box = folder_ / "box";
    for (const char* name : {"", "/new", "/cur", "/tmp"}) fs::create_directory(box + name);
    for (const char* name : {"/new/1.a", "/cur/2.b:2,S", "/cur/3.c,S=4:2,", "/new/4.d"})
        put(box + name, "A: 1\n\n");
    put(box + "/new/5.e", "X-UIDL: five\n\n");
    put(box + "/dovecot-uidlist", "3 V255 N9 G0\n1 :1.a\n2 :2.b:2,\n");
    put(box + "/courierpop3dsizelist", "/3 9 8\n2.b:2,S 8 5:6:0\n3.c,S=4 8 7:6:0\n");
    const Uids first = uids(box + "/");
    ASSERT_EQ(5U, first.size());
    EXPECT_EQ("five", first[4]);
    EXPECT_EQ((Uids{"00000001000000ff", "00000002000000ff", "UID7-6"}),
              Uids(first.begin(), first.begin() + 3));
    EXPECT_EQ(32U, first[3].size());
    fs::remove(box + "/dovecot-uidlist");
    fs::rename(box + "/new/1.a", box + "/cur/1.a:2,");
    EXPECT_EQ(first, uids(box + "/"));
}

}  // namespace
}  // namespace postoffice
