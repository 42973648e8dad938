// The delivery status that a waiting submitter gets, and that its writers never wait.
#include "postoffice/queue/delivery_status.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "postoffice/base/disk.h"
#include "postoffice/base/process.h"
#include "postoffice/delivery/awaited_messages.h"

namespace postoffice {
namespace {

namespace fs = std::filesystem;
using Outcome = DeliveryResult::Outcome;

const std::string queue_id = "0UyVmRzKx02Ck";

std::string read_now(const Fd& fifo) {
    std::string text(1 << 20, '\0');
    const ssize_t n = ::read(fifo.get(), text.data(), text.size());
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
}

bool is_at_end(const Fd& fifo) {
    char octet = 0;
    return ::read(fifo.get(), &octet, 1) == 0;
}

class DeliveryStatusTest : public ::testing::Test {
  protected:
    DeliveryStatusTest() {
        ignore_sigpipe();
        std::string folder = ::testing::TempDir() + "watch-XXXXXX";
        if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp");
        drop_ = folder;
    }
    ~DeliveryStatusTest() override { fs::remove_all(drop_); }

    StatusWriter admitted(bool sees_all) {
        reader_ = make_status_fifo(drop_, queue_id);
        StatusWriter watch = StatusWriter::open(drop_, queue_id);
        watch.restrict_to(::geteuid(), sees_all);
        return watch;
    }
    std::string path() const { return drop_ + "/" + queue_id + ".watch"; }

    std::string drop_;
    Fd reader_;
};

Recipient recipient(const std::string& original, Destination::Kind kind, const std::string& leads_to) {
    const auto address = [](const std::string& local) { return Address(local, "x.test"); };
    return {address(original), {std::move(kind), address(leads_to)}, {}, {}};
}

const Recipient as_written = recipient("bob", Destination::Remote{}, "bob");

TEST_F(DeliveryStatusTest, lines_come_until_the_last_writer_closes_it) {
    StatusWriter watch = admitted(false);
    ASSERT_TRUE(watch);
    EXPECT_FALSE(fs::exists(path())) << "its name is gone once it is open";
    watch.write_transcript("192.0.2.1 >> RCPT TO:<bob@x.test>");
    watch.report_outcome(as_written, failed("5.1.1", "No such\ttyp\nist", "mx [192.0.2.1]"));
    EXPECT_EQ(read_now(reader_),
              "said\t192.0.2.1 >> RCPT TO:<bob@x.test>\n"
              "failed\tbob@x.test\tmx [192.0.2.1]\t550 5.1.1 No such?typ ist\n");
    const StatusWriter another(Fd(::dup(watch.fd())), watch.sees_all());
    watch = StatusWriter();
    EXPECT_FALSE(is_at_end(reader_));
    another.write_transcript("last");
    EXPECT_EQ(read_now(reader_), "said\tlast\n");
}

TEST_F(DeliveryStatusTest, it_ends_with_its_last_writer) {
    { const StatusWriter watch = admitted(false); }
    EXPECT_TRUE(is_at_end(reader_));
}

TEST_F(DeliveryStatusTest, without_a_fifo_nothing_is_written) {
    const StatusWriter watch;
    EXPECT_FALSE(watch);
    watch.write_transcript("without a reader");
    watch.report_outcome(as_written, delivered("without a reader"));
}

TEST_F(DeliveryStatusTest, replies_of_others_are_not_for_every_reader) {
    using To = Destination;
    const To::Source bobs = To::InUserFile{"bob"};
    const struct {
        Recipient recipient;
        bool is_open;
    } rows[] = {
        {as_written, true},
        {recipient("team", To::Remote{}, "secret"), false},
        {recipient("bob", To::Mailbox{"bob"}, "bob"), true},
        {recipient("Bob+news", To::Mailbox{"bob"}, "Bob+news"), true},
        {recipient("team", To::Mailbox{"bob"}, "bob"), false},
        {recipient("team", To::Mailbox{"bob"}, "team"), false},
        {recipient("bob", To::Unrouted{}, "bob"), true},
        {recipient("bob", To::Program{"cat", bobs}, "bob"), false},
        {recipient("bob", To::File{"mbox", bobs}, "bob"), false},
        {recipient("bob", To::Instructions{".qmail", "bob"}, "bob"), false},
    };
    for (const bool sees_all : {false, true}) {
        const StatusWriter watch = admitted(sees_all);
        for (const auto& row : rows) {
            const bool is_open = sees_all || row.is_open;
            EXPECT_EQ(watch.may_disclose(row.recipient), is_open);
            watch.report_outcome(row.recipient, deferred("4.2.2", "private", "somebody"));
            const std::string told = read_now(reader_);
            EXPECT_EQ(told.find("private") != std::string::npos, is_open) << told;
            EXPECT_TRUE(told.starts_with("deferred\t" + row.recipient.original.to_string())) << told;
        }
    }
}

TEST_F(DeliveryStatusTest, a_reader_that_does_not_read_holds_up_no_writer) {
    const StatusWriter watch = admitted(false);
    for (int i = 0; i < 100000; ++i) watch.write_transcript("a line that is not read");
    EXPECT_TRUE(watch.has_reader());
    EXPECT_TRUE(read_now(reader_).ends_with("\n")) << "lines are told whole or not at all";
    reader_.reset();
    EXPECT_FALSE(watch.has_reader());
    watch.write_transcript("the reader has left");
}

TEST_F(DeliveryStatusTest, long_lines_are_cut) {
    const StatusWriter watch = admitted(false);
    watch.write_transcript(std::string(100000, 'x'));
    watch.write_transcript("next");
    const std::string told = read_now(reader_);
    EXPECT_LT(told.size(), 5000U);
    EXPECT_TRUE(told.ends_with("x\nsaid\tnext\n"));
}

TEST_F(DeliveryStatusTest, it_is_for_the_owner_of_the_message_alone) {
    reader_ = make_status_fifo(drop_, queue_id);
    StatusWriter watch = StatusWriter::open(drop_, queue_id);
    watch.restrict_to(::geteuid() + 1, true);
    EXPECT_FALSE(watch);
    EXPECT_TRUE(is_at_end(reader_));
}

TEST_F(DeliveryStatusTest, only_its_owner_and_the_server_can_open_the_fifo) {
    const mode_t before = ::umask(0);
    reader_ = make_status_fifo(drop_, queue_id);
    ::umask(before);
    struct stat status {};
    ASSERT_EQ(::stat(path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0620U);
    EXPECT_THROW((void)make_status_fifo(drop_, queue_id), std::system_error) << "the name is taken";
}

TEST_F(DeliveryStatusTest, another_file_of_its_name_is_no_status_fifo) {
    EXPECT_FALSE(StatusWriter::open(drop_, queue_id)) << "nothing is there";
    EXPECT_FALSE(StatusWriter::open(drop_, "../" + queue_id)) << "no queue_id";
    const std::string other = drop_ + "/other";
    std::ofstream(other) << "text\n";
    fs::create_symlink(other, path());
    EXPECT_FALSE(StatusWriter::open(drop_, queue_id)) << "a link";
    EXPECT_FALSE(fs::is_symlink(path()));
    fs::create_hard_link(other, path());
    EXPECT_FALSE(StatusWriter::open(drop_, queue_id)) << "a file";
    EXPECT_EQ(fs::file_size(other), 5U);
    fs::create_directory(path());
    EXPECT_FALSE(StatusWriter::open(drop_, queue_id)) << "a folder";
    fs::remove(path());
    ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
    EXPECT_FALSE(StatusWriter::open(drop_, queue_id)) << "a FIFO without a reader";
    EXPECT_FALSE(fs::exists(path()));
}

TEST_F(DeliveryStatusTest, fifos_of_killed_submitters_are_swept) {
    reader_ = make_status_fifo(drop_, queue_id);
    std::ofstream(drop_ + "/no-queue_id.watch") << "";
    EXPECT_EQ(sweep_status_fifos(drop_, Seconds(3600)), 0U);
    EXPECT_EQ(sweep_status_fifos(drop_, Seconds(-3600)), 1U);
    EXPECT_TRUE(fs::exists(drop_ + "/no-queue_id.watch")) << "not of ours";
    EXPECT_THROW(sweep_status_fifos(drop_ + "/missing", Seconds(0)), std::system_error);
}

TEST(StatusLines, are_read_as_they_were_written) {
    const auto outcome = parse_status_line("delivered\tbob@x.test\tmx\t250 2.0.0 OK");
    ASSERT_TRUE(outcome && outcome->is_outcome);
    EXPECT_EQ(outcome->outcome, Outcome::delivered);
    EXPECT_EQ(outcome->recipient, "bob@x.test");
    EXPECT_EQ(outcome->by, "mx");
    EXPECT_EQ(outcome->text, "250 2.0.0 OK");
    const auto hidden = parse_status_line("failed\tbob@x.test");
    ASSERT_TRUE(hidden);
    EXPECT_EQ(hidden->text + hidden->by, "");
    const auto line = parse_status_line("said\t<< 250 a\tb\x1b[2J");
    ASSERT_TRUE(line && !line->is_outcome);
    EXPECT_EQ(line->text, "<< 250 a?b?[2J");
    for (const char* other : {"", "said", "saidx\ty", "Delivered\tbob@x.test", "\t", "queued\tbob@x.test"})
        EXPECT_EQ(parse_status_line(other).has_value(), std::string_view(other) == "said") << other;
}

TEST_F(DeliveryStatusTest, their_number_is_bounded) {
    AwaitedMessages watched;
    std::vector<Fd> readers;
    const auto add = [&](int number, bool sees_all) {
        const std::string own = queue_id.substr(0, 10) + std::to_string(100 + number);
        readers.push_back(make_status_fifo(drop_, own));
        StatusWriter watch = StatusWriter::open(drop_, own);
        watch.restrict_to(::geteuid(), sees_all);
        watched.add(own, std::move(watch));
        return watched.find(own) != nullptr;
    };
    int number = 0;
    for (std::size_t i = 0; i < AwaitedMessages::most_of_one_user; ++i) EXPECT_TRUE(add(number++, false));
    EXPECT_FALSE(add(number++, false)) << "one user cannot have all";
    EXPECT_TRUE(is_at_end(readers.back())) << "a reader that is not taken need not wait";
    readers.front().reset();
    EXPECT_TRUE(add(number++, false)) << "a reader that has left makes room";
    std::size_t held = AwaitedMessages::most_of_one_user;
    while (add(number++, true)) ++held;
    EXPECT_EQ(held, AwaitedMessages::most);
    const std::string second = queue_id.substr(0, 10) + "101";
    EXPECT_FALSE(is_at_end(readers[1]));
    watched.end(second);
    EXPECT_TRUE(is_at_end(readers[1]));
    EXPECT_TRUE(add(number++, true));
    watched.add(queue_id, StatusWriter());
    EXPECT_EQ(watched.find(queue_id), nullptr);
}

}  // namespace
}  // namespace postoffice
