#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/queue/drop.h"
#include "spool_folder.h"

namespace postoffice {
namespace {

class MailqTest : public ::testing::Test {
  protected:
    MailqTest() { config_.queue.dir = folder_.path(); }

    /// What it prints.
    std::string list(int expected_exit = 0) {
        ::testing::internal::CaptureStdout();
        ::testing::internal::CaptureStderr();
        EXPECT_EQ(list_queue(config_, line_), expected_exit);
        (void)::testing::internal::GetCapturedStderr();
        return ::testing::internal::GetCapturedStdout();
    }
    QueueEntry commit() {
        Message message(folder_.path());
        message.append(std::string(2000, 'x'));
        return Spool(folder_.path()).commit(Spool::new_id(), test::envelope_for_two(), message);
    }

    test::TemporaryFolder folder_;
    Config config_;
    CommandLine line_;
};

TEST_F(MailqTest, EmptyQueueIsSaidInOneLine) {
    EXPECT_EQ(list(), "Mail queue is empty\n");
    line_.json = true;
    EXPECT_EQ(list(), "");
    line_.json = false;
    line_.queue.count_only = true;
    EXPECT_EQ(list(), "0\n");
}

TEST_F(MailqTest, MissingFolderIs69) {
    config_.queue.dir = folder_ / "missing";
    EXPECT_EQ(list(69), "");
}

TEST_F(MailqTest, ListsSenderRecipientsAndTotal) {
    const std::string id = commit().id();
    const std::string text = list();
    EXPECT_NE(text.find("\n" + id + " "), std::string::npos) << text;
    EXPECT_NE(text.find(" 2000 "), std::string::npos);
    EXPECT_NE(text.find(" alice@a.test\n"), std::string::npos);
    EXPECT_NE(text.find(" bob@b.test\n"), std::string::npos);
    EXPECT_NE(text.find(" carol@c.test\n"), std::string::npos);
    EXPECT_TRUE(text.ends_with("\n-- 2 Kbytes in 1 Request.\n"));
    commit();
    EXPECT_TRUE(list().ends_with("\n-- 4 Kbytes in 2 Requests.\n"));
}

TEST_F(MailqTest, MarksWhatIsInWorkHeldOrWaiting) {
    std::optional<QueueEntry> entry = commit();
    const std::string id = entry->id();
    EXPECT_NE(list().find(id + "*"), std::string::npos);
    entry->defer_until(now_unix() + 3600);
    entry.reset();
    EXPECT_NE(list().find(id + "-"), std::string::npos);
    Spool(folder_.path()).take(id)->hold("for a look");
    EXPECT_NE(list().find(id + "!"), std::string::npos);
}

TEST_F(MailqTest, OneAttemptIsNoPlural) {
    std::optional<QueueEntry> entry = commit();
    line_.verbose = true;
    const char* const expected[] = {", 0 attempts, next ", ", 1 attempt, next ", ", 2 attempts, next "};
    for (const char* attempts : expected) {
        const std::string text = list();
        EXPECT_NE(text.find(attempts), std::string::npos) << attempts << text;
        entry->defer_until(now_unix() + 3600);
    }
}

TEST_F(MailqTest, LookingTakesNoLock) {
    const std::string id = commit().id();
    (void)list();
    EXPECT_TRUE(Spool(folder_.path()).take(id));
}

TEST_F(MailqTest, ReasonIsCutToTheScreenAndEndsItsLine) {
    commit().record(
        1, deferred("4.4.1", "refused " + std::string(500, 'x') + "\nsecond", "mx.c.test [192.0.2.9]"));
    const std::string text = list();
    EXPECT_NE(text.find("\n(mx.c.test [192.0.2.9] said: 451 4.4.1 refused xxx"), std::string::npos) << text;
    for (const auto line : split(text, '\n')) EXPECT_LE(line.size(), 80U) << line;
}

TEST_F(MailqTest, DoneRecipientsAreShownOnlyWhenAsked) {
    commit().record(0, delivered("ok"));
    EXPECT_EQ(list().find("bob@b.test"), std::string::npos);
    line_.verbose = true;
    EXPECT_NE(list().find("bob@b.test (delivered)"), std::string::npos);
}

TEST_F(MailqTest, Filters) {
    const std::string id = commit().id();
    line_.queue.count_only = true;
    const auto count = [this](std::vector<QueueFilter> filters) {
        line_.queue.filters = std::move(filters);
        return list();
    };
    EXPECT_EQ(count({{'I', false, id.substr(2)}}), "1\n");
    EXPECT_EQ(count({{'I', false, "nothing"}}), "0\n");
    EXPECT_EQ(count({{'S', false, "ALICE"}}), "1\n");
    EXPECT_EQ(count({{'S', true, "alice"}}), "0\n");
    EXPECT_EQ(count({{'R', false, "carol"}}), "1\n");
    EXPECT_EQ(count({{'R', false, "alice"}}), "0\n");
    EXPECT_EQ(count({{'*', false, "list@"}}), "1\n");
    EXPECT_EQ(count({{'Q', false, ""}}), "0\n");
    EXPECT_EQ(count({{'S', false, "alice"}, {'R', false, "nobody"}}), "0\n");
}

TEST_F(MailqTest, JsonHasTheNamesOfPostqueue) {
    auto entry = commit();
    entry.record(0, delivered("ok"));
    entry.record(1, deferred("4.4.1", "refused \xff"));
    line_.json = true;
    const auto message = nlohmann::json::parse(list());
    EXPECT_EQ(message["queue_name"], "active");
    EXPECT_EQ(message["queue_id"], entry.id());
    EXPECT_EQ(message["arrival_time"], test::envelope_for_two().arrived);
    EXPECT_EQ(message["message_size"], 2000);
    EXPECT_EQ(message["sender"], "alice@a.test");
    ASSERT_EQ(message["recipients"].size(), 1U);
    EXPECT_EQ(message["recipients"][0]["address"], "carol@c.test");
    EXPECT_TRUE(
        message["recipients"][0]["delay_reason"].get<std::string>().starts_with("451 4.4.1 refused "));
}

TEST_F(MailqTest, ListsSubmissionsNotTakenIn) {
    Spool(folder_.path()).create(::getuid(), ::getgid());
    Message message(folder_.path());
    message.append("x\n");
    const std::string id = write_drop(folder_ / "drop", {Address(), {Address("al", "a.test")}}, message);
    line_.json = true;
    const auto listed = nlohmann::json::parse(list());
    EXPECT_EQ(listed["queue_name"], "maildrop");
    EXPECT_EQ(listed["queue_id"], id);
    EXPECT_EQ(listed["sender"], "MAILER-DAEMON");
}

TEST_F(MailqTest, DamagedJournalDoesNotHideTheOthers) {
    commit();
    test::write_file(folder_ / "cmX1", journal_header("X1", Envelope()));
    test::write_file(folder_ / "cmX2", "garbage");
    EXPECT_NE(list().find("in 1 Request."), std::string::npos);
}

}  // namespace
}  // namespace postoffice
