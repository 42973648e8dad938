#include "postoffice/queue/spool.h"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>

#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "spool_folder.h"

namespace postoffice {
namespace {

using test::envelope_for_two;
using test::make_older;
using test::read_file;
using test::write_file;

class SpoolTest : public ::testing::Test {
  protected:
    QueueEntry commit(const std::string& text = "Subject: x\n\nbody\n") {
        Message message(folder_.path());
        message.append(text);
        return spool_.commit(Spool::new_id(), envelope_for_two(), message);
    }
    /// Of mail that sendmail has left in drop/.
    static Envelope submission() {
        Envelope envelope = envelope_for_two();
        envelope.origin = {"local", "", "", "", "uid 1000 (alice)"};
        return envelope;
    }
    /// The names of all files in the spool, sorted.
    std::vector<std::string> names() const {
        std::vector<std::string> result;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path()))
            if (!entry.is_directory()) result.push_back(entry.path().filename());
        std::sort(result.begin(), result.end());
        return result;
    }
    /// How many folders for messages there are.
    std::size_t folders() const { return folder_.names().size(); }
    /// A committed message without an owner.
    std::string queued() { return commit().id(); }
    /// The same, of a message that has a file of its own.
    std::string queued_large() { return commit(large_).id(); }

    const std::string large_ = "Subject: x\n\n" + std::string(200'000, 'x') + "\n";
    test::TemporaryFolder folder_;
    Spool spool_{folder_.path()};
    const DeliveryResult ok_ = delivered("ok", "mx.b.test [192.0.2.1]");
    const DeliveryResult no_ = failed("5.1.1", "no such user");
};

TEST_F(SpoolTest, IdsAreUniqueAndSortByTime) {
    std::string last;
    for (int i = 0; i < 10'000; ++i) {
        const std::string id = Spool::new_id();
        EXPECT_TRUE(is_queue_id(id));
        EXPECT_LT(last, id);
        last = id;
    }
}

TEST_F(SpoolTest, IdsFromNamesAreChecked) {
    for (const char* bad : {"", "../x", "a/b", "a.b", "12345678901234567", "a b", "\xe4"})
        EXPECT_FALSE(is_queue_id(bad));
    EXPECT_FALSE(is_queue_id(std::string_view("a\0b", 3)));
    EXPECT_FALSE(spool_.take("../" + queued()));
}

TEST_F(SpoolTest, CreatesItsFolders) {
    const Spool fresh(folder_ / "new");
    fresh.create(::getuid(), ::getgid());
    fresh.create(::getuid(), ::getgid());
    struct stat status {};
    ASSERT_EQ(::stat(fresh.directory().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0750U);
    ASSERT_EQ(::stat(fresh.drop_directory().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 03730U);
}

TEST_F(SpoolTest, CommitStoresMessageAndJournal) {
    const QueueEntry entry = commit();
    const std::string text = "Subject: x\n\nbody\n";
    EXPECT_EQ(names(), std::vector<std::string>{"cm" + entry.id()});
    EXPECT_EQ(disk::read_all(entry.open_message().get(), 1000), text);
    EXPECT_EQ(disk::read_all(spool_.open_message(entry.id()).get(), 1000), text);
    EXPECT_EQ(entry.message_size(), 17U);
    EXPECT_EQ(read_file(spool_.journal_path(entry.id())),
              journal_with_message(entry.id(), envelope_for_two(), text));
    EXPECT_EQ(entry.journal().recipients.size(), 2U);
}

TEST_F(SpoolTest, ASubmissionHasAChecksum) {
    const Envelope envelope = submission();
    for (const std::size_t size : {10U, 200'000U}) {
        const std::string text = "Subject: x\n\n" + std::string(size, 'x');
        Message message(folder_.path());
        message.append(text);
        const QueueEntry entry = spool_.commit(Spool::new_id(), envelope, message);
        const auto checksum = keyed_hash({0, 0}, text);
        EXPECT_EQ(read_file(spool_.journal_path(entry.id())),
                  size < 1000 ? journal_with_message(entry.id(), envelope, text, checksum)
                              : journal_header(entry.id(), envelope, text.size(), checksum));
    }
}

TEST_F(SpoolTest, CommitKeepsLargeMessages) {
    const QueueEntry entry = commit(large_);
    EXPECT_EQ(names(), (std::vector<std::string>{"cm" + entry.id(), "dm" + entry.id()}));
    EXPECT_EQ(disk::read_all(entry.open_message().get(), 1U << 20), large_);
    EXPECT_EQ(disk::read_all(spool_.open_message(entry.id()).get(), 1U << 20), large_);
    EXPECT_EQ(entry.message_size(), large_.size());
}

TEST_F(SpoolTest, EventsFollowAMessageInTheJournalWhateverItSays) {
    for (const std::string& text :
         {std::string("x\n2026-11-21T10:00:05Z delivered 1: 250 2.0.0 ok\n"),
          std::string("no line end\nend of message"), std::string("\nend of message\n"), std::string()}) {
        const std::string id = commit(text).id();
        auto entry = spool_.take(id);
        ASSERT_TRUE(entry) << text;
        EXPECT_EQ(entry->journal().waiting(), 2U) << "the message is no event";
        entry->record(0, ok_);
        entry->defer_until(2'000'000'000);
        EXPECT_EQ(entry->journal().waiting(), 1U);
        const Journal read = parse_journal(read_file(spool_.journal_path(id)));
        EXPECT_EQ(read.waiting(), 1U);
        EXPECT_EQ(read.next_attempt, 2'000'000'000);
        EXPECT_EQ(disk::read_all(entry->open_message().get(), 1000), text);
        const std::string shown = journal_without_message(read_file(spool_.journal_path(id)));
        EXPECT_NE(shown.find("end of envelope\n2"), std::string::npos) << shown;
        EXPECT_NE(shown.find(" delivered 1 by mx.b.test"), std::string::npos) << shown;
        entry->remove();
    }
}

TEST_F(SpoolTest, AMessageInTheJournalThatIsNotWholeIsDamaged) {
    const std::string whole = journal_with_message("X1", envelope_for_two(), "Subject: x\n\nbody\n");
    const auto begin = whole.find("Subject");
    for (std::size_t length = begin; length < whole.size(); ++length) {
        EXPECT_THROW((void)parse_journal(whole.substr(0, length)), FormatError) << length;
        EXPECT_FALSE(journal_is_unfinished(whole.substr(0, length)));
    }
    for (const char* size : {"size: 16\n", "size: 18\n", "size: 18446744073709551615\n", "siz: 17\n"}) {
        std::string other = whole;
        other.replace(other.find("size: 17\n"), 9, size);
        EXPECT_THROW((void)parse_journal(other), FormatError) << size;
    }
    for (std::size_t length = 0; length < begin; ++length)
        EXPECT_TRUE(journal_is_unfinished(whole.substr(0, length))) << length;
}

TEST_F(SpoolTest, AJournalOfAnEarlierVersionHasItsMessageBesideIt) {
    const std::string id = Spool::new_id();
    disk::make_directory(spool_.folder_of(id), 0700);
    write_file(spool_.folder_of(id) + "/dm" + id, "Subject: x\n\nbody\n");
    write_file(spool_.journal_path(id), journal_header(id, envelope_for_two(), 17));
    const auto entry = spool_.take(id);
    ASSERT_TRUE(entry);
    EXPECT_EQ(disk::read_all(entry->open_message().get(), 1000), "Subject: x\n\nbody\n");
}

TEST_F(SpoolTest, CommitThatFailsLeavesNothing) {
    const std::string id = Spool::new_id();
    disk::make_directory(spool_.folder_of(id), 0700);
    write_file(spool_.journal_path(id), "in the way");
    for (const std::string& text : {std::string("small"), std::string(200'000, 'x')}) {
        Message message(folder_.path());
        message.append(text);
        EXPECT_THROW(spool_.commit(id, envelope_for_two(), message), std::system_error);
        EXPECT_EQ(names(), std::vector<std::string>{"cm" + id});
    }
    EXPECT_EQ(read_file(spool_.journal_path(id)), "in the way");
}

TEST_F(SpoolTest, OneOwnerAtATime) {
    std::optional<QueueEntry> entry = commit();
    const std::string id = entry->id();
    EXPECT_FALSE(spool_.take(id));
    entry.reset();
    entry = spool_.take(id);
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->id(), id);
    EXPECT_FALSE(spool_.take(id));
}

TEST_F(SpoolTest, DeathOfTheOwnerFreesTheMessage) {
    const std::string id = queued();
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const auto entry = spool_.take(id);
        (void)!::write(ready[1], entry ? "y" : "n", 1);
        ::pause();
        ::_exit(0);
    }
    char answer = 0;
    ASSERT_EQ(::read(ready[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    EXPECT_FALSE(spool_.take(id));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_TRUE(spool_.take(id));
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_F(SpoolTest, RemembersOutcomes) {
    const std::string id = queued();
    {
        auto entry = spool_.take(id);
        entry->record(0, ok_);
        entry->record(1, no_);
        entry->sync();
        EXPECT_FALSE(entry->journal().is_finished());
    }
    auto entry = spool_.take(id);
    EXPECT_EQ(entry->journal().recipients[0].status, RecipientState::Status::delivered);
    EXPECT_EQ(entry->journal().recipients[0].last.by, "mx.b.test [192.0.2.1]");
    EXPECT_EQ(entry->journal().recipients[1].status, RecipientState::Status::failed);
    entry->record_reported(1, "dsn X");
    EXPECT_TRUE(entry->journal().is_finished());
    entry->remove();
    EXPECT_TRUE(names().empty());
    EXPECT_FALSE(spool_.take(id));
}

TEST_F(SpoolTest, HoldAndRelease) {
    auto entry = commit();
    entry.hold("for a look");
    EXPECT_EQ(entry.journal().held, "for a look");
    entry.release();
    entry.reload();
    EXPECT_FALSE(entry.journal().held);
}

TEST_F(SpoolTest, DueTimeIsTheModificationTime) {
    const UnixTime later = now_unix() + 5'000'000'000;  // beyond 32 bits
    {
        auto entry = commit();
        entry.defer_until(later);
        EXPECT_EQ(entry.journal().next_attempt, later);
        EXPECT_EQ(entry.journal().attempts, 1U);
    }
    const auto items = spool_.scan();
    ASSERT_EQ(items.size(), 1U);
    EXPECT_EQ(items[0].due, later);
    // Where the time is lost, the journal knows it still.
    make_older(spool_.journal_path(items[0].id), 10);
    EXPECT_EQ(spool_.take(items[0].id)->journal().next_attempt, later);
}

TEST_F(SpoolTest, ReloadSeesWhatOthersAppended) {
    auto entry = commit();
    QueueEntry other(folder_.path(), disk::open(spool_.journal_path(entry.id()), O_RDWR | O_APPEND));
    other.record(0, ok_);
    EXPECT_EQ(entry.journal().recipients[0].attempts, 0U);
    entry.reload();
    EXPECT_EQ(entry.journal().recipients[0].attempts, 1U);
}

TEST_F(SpoolTest, AppendingReadsTheLinesOfOthersOnce) {
    auto entry = commit();
    QueueEntry other(folder_.path(), disk::open(spool_.journal_path(entry.id()), O_RDWR | O_APPEND));
    other.record(0, deferred("4.4.1", "refused"));
    entry.record(1, ok_);
    other.record(0, ok_);
    entry.reload();
    entry.reload();
    for (const QueueEntry* one : {&entry, &other}) {
        EXPECT_EQ(one->journal().recipients[0].attempts, 2U);
        EXPECT_EQ(one->journal().recipients[1].attempts, 1U);
        EXPECT_EQ(one->journal().recipients[0].status, RecipientState::Status::delivered);
    }
}

TEST_F(SpoolTest, EventAfterACutLineIsNotLost) {
    const std::string id = queued();
    {
        const Fd journal = disk::open(spool_.journal_path(id), O_WRONLY | O_APPEND);
        disk::write_all(journal.get(), "2026-11-21T10:00:05Z deliv");
        auto entry = spool_.take(id);
        entry->record(0, ok_);
    }
    EXPECT_EQ(spool_.take(id)->journal().recipients[0].status, RecipientState::Status::delivered);
}

TEST_F(SpoolTest, ScanIgnoresForeignFiles) {
    const std::string id = queued();
    for (const char* name : {"qfAA1", "dfAA1", "cm", "cm.lock", "readme", "tmX1"})
        write_file(folder_ / name, "x");
    ASSERT_EQ(::mkdir((folder_ / "cmDIR").c_str(), 0700), 0);
    ASSERT_EQ(::symlink("/etc/passwd", (folder_ / "cmLINK").c_str()), 0);
    const auto items = spool_.scan();
    ASSERT_EQ(items.size(), 1U);
    EXPECT_EQ(items[0].id, id);
}

TEST_F(SpoolTest, TakeFollowsNoLinksAndWaitsForNoFifo) {
    ASSERT_EQ(::symlink("/etc/passwd", (folder_ / "cmLINK").c_str()), 0);
    EXPECT_THROW((void)spool_.take("LINK"), std::system_error);
    ASSERT_EQ(::mkfifo((folder_ / "cmFIFO").c_str(), 0600), 0);
    EXPECT_FALSE(spool_.take("FIFO"));
}

// Damage

TEST_F(SpoolTest, UnfinishedJournalIsLeftToTheSweep) {
    const std::string header = journal_header("X1", envelope_for_two());
    write_file(folder_ / "cmX1", header.substr(0, header.size() - 1));
    EXPECT_FALSE(spool_.take("X1"));
    EXPECT_EQ(names(), std::vector<std::string>{"cmX1"});
}

TEST_F(SpoolTest, CommitThatWasInterruptedCanBeMadeAgain) {
    const std::string id = Spool::new_id();
    disk::make_directory(spool_.folder_of(id), 0700);
    write_file(spool_.folder_of(id) + "/dm" + id, "half of it");
    write_file(spool_.folder_of(id) + "/tm" + id, "postoffice jour");
    EXPECT_FALSE(spool_.finish_commit(id));
    EXPECT_TRUE(names().empty());
    Message message(folder_.path());
    message.append("text");
    { const QueueEntry entry = spool_.commit(id, envelope_for_two(), message); }
    EXPECT_TRUE(spool_.finish_commit(id));
    EXPECT_EQ(names(), std::vector<std::string>{"cm" + id});
    EXPECT_TRUE(spool_.take(id));
}

/// What a power cut may leave of the journal, and of the message in it or beside it.
using Cut = std::function<void(const std::string& journal, const std::string& data)>;

void cut_to_half(const std::string& file) {
    const std::string text = read_file(file);
    write_file(file, text.substr(0, text.size() / 2));
}

void clear_octets(const std::string& file, std::size_t at, std::size_t count) {
    std::string text = read_file(file);
    write_file(file, text.replace(at, count, count, '\0'));
}

TEST_F(SpoolTest, WhatAPowerCutLeftOfACommitIsNoMessage) {
    const std::vector<Cut> of_any = {
        [](const auto& journal, const auto&) { write_file(journal, ""); },
        [](const auto& journal, const auto&) { cut_to_half(journal); },
        [](const auto& journal, const auto&) { clear_octets(journal, 0, read_file(journal).size()); },
    };
    std::vector<Cut> of_small = of_any, of_large = of_any;
    of_small.push_back([](const auto& journal, const auto&) {
        const std::string text = read_file(journal);
        write_file(journal, text.substr(0, text.size() - 1));
    });
    of_small.push_back([](const auto& journal, const auto&) {  // its last block did not come to the disk
        clear_octets(journal, read_file(journal).find("body\n"), 3);
    });
    of_large.push_back([](const auto& journal, const auto& data) {
        disk::rename(journal, parent_of(journal) + "/bad" + journal.substr(journal.rfind('/') + 3));
        write_file(data, "");
    });
    of_large.push_back([](const auto&, const auto& data) { disk::unlink_if_exists(data); });
    of_large.push_back([](const auto&, const auto& data) { write_file(data, "Subject"); });
    of_large.push_back([](const auto&, const auto& data) { clear_octets(data, 0, 5); });
    for (const auto& [text, cuts] :
         {std::pair("Subject: x\n\nbody\n" + std::string(), of_small), {large_, of_large}})
        for (const Cut& cut : cuts) {
            Message message(folder_.path());
            message.append(text);
            const std::string id = spool_.commit(Spool::new_id(), submission(), message).id();
            cut(spool_.journal_path(id), spool_.message_path(id));
            EXPECT_FALSE(spool_.finish_commit(id));
            EXPECT_TRUE(names().empty());
        }
}

TEST_F(SpoolTest, ACommitOfAMessageThatIsDoneWasMade) {
    for (const std::string& text : {std::string("x\n"), large_}) {
        const std::string id = commit(text).id();
        spool_.take(id)->finish();
        EXPECT_TRUE(spool_.finish_commit(id));
        EXPECT_EQ(spool_.finished(), std::vector<std::string>{id});
        spool_.reap(id);
        EXPECT_TRUE(names().empty());
    }
}

TEST_F(SpoolTest, DamagedJournalIsMovedAside) {
    write_file(folder_ / "cmX1", "");
    write_file(folder_ / "cmX2", std::string(4096, '\0'));
    write_file(folder_ / "cmX3", journal_header("X9", envelope_for_two()));
    for (const char* id : {"X1", "X2", "X3"}) EXPECT_FALSE(spool_.take(id));
    EXPECT_EQ(names(), (std::vector<std::string>{"badX1", "badX2", "badX3"}));
    EXPECT_EQ(read_file(folder_ / "badX2"), std::string(4096, '\0'));
}

TEST_F(SpoolTest, AnIdMayBeMuchOlderThanTheArrival) {
    // A submission has its id from sendmail, and arrives when the server is there again.
    for (const std::string& text : {std::string("x\n"), large_}) {
        Message message(folder_.path());
        message.append(text);
        Envelope envelope = submission();
        envelope.arrived = now_unix();
        const std::string id = spool_.commit("0UyVmRzKx02Ck", envelope, message).id();
        auto entry = spool_.take(id);
        ASSERT_TRUE(entry);
        entry->remove();
    }
}

TEST_F(SpoolTest, AJournalThatLacksALineOrHasAWrongOneIsDamaged) {
    struct Change {
        std::string from, to;
    };
    const auto without_time = [](const std::string& text) {
        const auto line = text.find("arrived: ");
        return text.substr(0, line) + text.substr(text.find('\n', line) + 1);
    };
    const auto ahead = [](std::string text) { return text.replace(text.find("arrived: ") + 9, 4, "2999"); };
    const auto changed = [](const Change& change) {
        return [change](std::string text) {
            return text.replace(text.find(change.from), change.from.size(), change.to);
        };
    };
    const std::vector<std::function<std::string(const std::string&)>> damages = {
        without_time,
        ahead,
        changed({"size: ", "size: x"}),
        changed({"to: 1", "to: 7"}),
        changed({"body: ", "body: \x01"}),
        changed({"from: ", "fr\0\xff: "}),
    };
    std::vector<std::string> told;
    const Spool spool(folder_.path(), [&](const std::string& id, const std::string& problem) {
        told.push_back(id);
        EXPECT_NE(problem, "");
    });
    for (const auto& damage : damages)
        for (const bool is_large : {false, true}) {
            const std::string id = is_large ? queued_large() : queued();
            const std::string text = damage(read_file(spool.journal_path(id)));
            write_file(spool.journal_path(id), text);
            EXPECT_FALSE(spool.take(id)) << text;
            EXPECT_FALSE(spool.take(id));
            ASSERT_EQ(told, std::vector<std::string>{id}) << text;
            told.clear();
            const auto aside = spool.aside();
            ASSERT_EQ(aside.size(), 1U);
            EXPECT_EQ(aside[0].id, id);
            EXPECT_EQ(aside[0].path, spool.folder_of(id) + "/bad" + id);
            EXPECT_EQ(aside[0].message_path, is_large ? spool.message_path(id) : "");
            EXPECT_EQ(aside[0].message_size.has_value(), is_large);
            EXPECT_NE(aside[0].problem, "");
            disk::unlink(aside[0].path);
            disk::unlink_if_exists(spool.message_path(id));
        }
    EXPECT_TRUE(spool.aside().empty());
}

TEST_F(SpoolTest, WhatWasPostponedWasNotTried) {
    const std::string id = queued();
    {
        auto entry = spool_.take(id);
        entry->record_postponed(1, deferred("4.4.1", "it is down", "mx.example.org [192.0.2.1]"));
        entry->set_due(2'000'000'000);
    }
    const auto entry = spool_.take(id);
    EXPECT_EQ(entry->journal().recipients[1].attempts, 0U);
    EXPECT_EQ(entry->journal().recipients[1].last_attempt, 0);
    EXPECT_EQ(entry->journal().recipients[1].last.reply.text, "it is down");
    EXPECT_EQ(entry->journal().recipients[1].last.by, "mx.example.org [192.0.2.1]");
    EXPECT_EQ(entry->journal().attempts, 0U);
    EXPECT_EQ(entry->journal().next_attempt, 2'000'000'000);
    EXPECT_EQ(spool_.scan().at(0).due, 2'000'000'000);
}

TEST_F(SpoolTest, HalfAMessageIsNeverDelivered) {
    const std::string id = queued_large();
    disk::truncate(disk::open(spool_.message_path(id), O_WRONLY).get(), 5);
    EXPECT_FALSE(spool_.take(id));
    EXPECT_EQ(names(), (std::vector<std::string>{"bad" + id, "dm" + id}));
}

TEST_F(SpoolTest, MessageThatIsGoneIsAnErrorOfItsEntryOnly) {
    auto entry = commit(large_);
    disk::unlink(spool_.message_path(entry.id()));
    EXPECT_THROW((void)entry.open_message(), std::system_error);
    EXPECT_EQ(entry.message_size(), 0U);
    entry.remove();
    EXPECT_TRUE(names().empty());
}

// Sweeping

TEST_F(SpoolTest, SweepRemovesWhatACrashLeft) {
    const std::string header = journal_header("X1", envelope_for_two());
    write_file(folder_ / "tmX0", "half");
    write_file(folder_ / "dmX1", "message");
    write_file(folder_ / "cmX1", header.substr(0, 30));
    write_file(folder_ / "dmX2", "message");
    for (const auto& name : names()) make_older(folder_ / name, 100);
    EXPECT_EQ(spool_.sweep(Seconds(200)), 0U);
    EXPECT_EQ(spool_.sweep(Seconds(50)), 2U);
    EXPECT_EQ(names(), (std::vector<std::string>{"badX1", "dmX1"})) << "for a person to look at";
}

TEST_F(SpoolTest, SweepKeepsWhatIsQueuedOrToBeLookedAt) {
    const std::string id = queued_large();
    write_file(folder_ / "badX1", "damaged");
    write_file(folder_ / "dmX1", "its message");
    write_file(folder_ / "cmX2", "");  // take() moves it aside and says so
    write_file(folder_ / "tm.foreign", "");
    write_file(folder_ / "dead.letter", "");
    const auto before = names();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path()))
        if (entry.is_regular_file() && entry.path().filename() != "dm" + id)
            make_older(entry.path(), 1'000'000);
    EXPECT_EQ(spool_.sweep(Seconds(1)), 0U);
    EXPECT_EQ(names(), before);
    EXPECT_TRUE(spool_.take(id));
}

TEST_F(SpoolTest, SweepKeepsWhatIsInUse) {
    Message message(folder_.path());
    message.append(std::string(100'000, 'x'));
    const std::string header = journal_header("X1", envelope_for_two());
    write_file(folder_ / "cmX1", header.substr(0, 30));
    const Fd writer = disk::open(folder_ / "cmX1", O_RDWR);
    ASSERT_EQ(::flock(writer.get(), LOCK_EX), 0);
    for (const auto& name : names()) make_older(folder_ / name, 1000);
    EXPECT_EQ(spool_.sweep(Seconds(1)), 0U);
    EXPECT_EQ(names().size(), 2U);
}

TEST_F(SpoolTest, FolderOfOldMessagesIsRemovedWhenItIsEmpty) {
    const std::string id = "0UyVmRzKx02Ck";
    Message message(folder_.path());
    message.append("x\n");
    spool_.commit(id, envelope_for_two(), message).finish();
    const std::string other = queued();
    EXPECT_EQ(folders(), 2U);
    spool_.remove_folder_of(id);
    EXPECT_EQ(folders(), 2U) << "it is not empty";
    EXPECT_EQ(spool_.finished(), std::vector<std::string>{id});
    spool_.reap(id);
    spool_.remove_folder_of(id);
    EXPECT_EQ(folders(), 1U);
    spool_.take(other)->remove();
    spool_.remove_folder_of(other);
    EXPECT_EQ(folders(), 1U) << "it is used, and small";
}

TEST_F(SpoolTest, FolderIsMadeAgainForTheNextMessage) {
    const std::string first = queued();
    spool_.take(first)->remove();
    ASSERT_TRUE(disk::remove_directory_if_empty(spool_.folder_of(first)));
    const std::string second = queued();
    EXPECT_EQ(names(), std::vector<std::string>{"cm" + second});
    EXPECT_TRUE(spool_.take(second));
}

TEST_F(SpoolTest, MessagesOfEarlierVersionsAreInTheSpoolItself) {
    const std::string kept = queued_large(), finished = queued_large(), damaged = queued_large();
    write_file(spool_.journal_path(damaged), "postoffice jour\n");
    for (const std::string& id : {kept, finished, damaged})
        for (const char* kind : {"/cm", "/dm"})
            disk::rename(spool_.folder_of(id) + kind + id, folder_ / (kind + id));
    ASSERT_TRUE(disk::remove_directory_if_empty(spool_.folder_of(kept)));

    EXPECT_EQ(spool_.scan().size(), 3U);
    EXPECT_FALSE(spool_.take(damaged));
    auto entry = spool_.take(kept);
    ASSERT_TRUE(entry);
    EXPECT_EQ(disk::read_all(entry->open_message().get(), 1U << 20), large_);
    spool_.take(finished)->finish();
    spool_.reap(finished);
    const auto left = names();
    EXPECT_EQ(std::set<std::string>(left.begin(), left.end()),
              (std::set<std::string>{"bad" + damaged, "cm" + kept, "dm" + damaged, "dm" + kept}));
    QueueEntry other(folder_.path(), disk::open(spool_.journal_path(kept), O_RDWR | O_APPEND));
    EXPECT_EQ(other.message_size(), large_.size());
    other.remove();
    EXPECT_EQ(names().size(), 2U);
}

}  // namespace
}  // namespace postoffice
