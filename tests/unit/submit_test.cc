// sendmail from standard input to a file in drop/: what is stored, what is said, and the exit status.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "../../src/commands/submit/caller.h"
#include "../../src/commands/submit/failed_submission.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/trigger.h"
#include "postoffice/commands/commands.h"
#include "postoffice/queue/delivery_status.h"
#include "postoffice/queue/drop.h"

namespace postoffice {
namespace {

namespace fs = std::filesystem;

/// What one call came to.
struct SubmitOutcome {
    int exit_code = 0;
    std::string errors;
    std::vector<Drop> drops;
    std::vector<std::string> texts;
};

class SubmitTest : public ::testing::Test {
  protected:
    SubmitTest() {
        std::string folder = ::testing::TempDir() + "submit-XXXXXX";
        if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp");
        folder_ = folder;
        fs::create_directory(folder_ + "/drop");
        std::ofstream(folder_ + "/aliases") << "sales: ann@elsewhere.test\n";
        config_.identity.hostname = "host.test";
        config_.identity.local_domains = {"also.test"};
        config_.queue.dir = folder_;
        config_.routing.aliases = folder_ + "/aliases";
        config_.queue.control = folder_ + "/control";
        config_.queue.minfree = 0;
        config_.log.destination = folder_ + "/log";
        saved_input_ = Fd(::dup(STDIN_FILENO));
        for (const char* variable : {"NAME", "LOGNAME", "USER"}) ::unsetenv(variable);
    }
    ~SubmitTest() override {
        ::dup2(saved_input_.get(), STDIN_FILENO);
        fs::remove_all(folder_);
    }

    SubmitOutcome submit(std::vector<std::string> words, std::string_view input) {
        words.insert(words.begin(), "sendmail");
        const ParsedCommandLine parsed = parse_command_line(words, [](std::string_view) { return false; });
        EXPECT_FALSE(parsed.error);
        const Fd text = disk::memory_file(input);
        ::dup2(text.get(), STDIN_FILENO);
        SubmitOutcome outcome;
        ::testing::internal::CaptureStderr();
        outcome.exit_code = submit_message(config_, parsed.line);
        outcome.errors = ::testing::internal::GetCapturedStderr();
        for (const std::string& id : list_drops(folder_ + "/drop")) {
            auto drop = open_drop(folder_ + "/drop", id, 1000);
            std::string message(drop->message_size, '\0');
            EXPECT_EQ(::read(drop->file.get(), message.data(), message.size()),
                      static_cast<ssize_t>(message.size()));
            outcome.texts.push_back(std::move(message));
            outcome.drops.push_back(std::move(*drop));
            fs::remove(folder_ + "/drop/" + id);
        }
        EXPECT_TRUE(fs::is_empty(folder_ + "/drop")) << "something was left behind";
        return outcome;
    }
    static std::string recipients(const Drop& drop) {
        std::string list;
        for (const auto& to : drop.envelope.recipients) list += to.address.to_string() + " ";
        return list;
    }

    /// Where a server would hear what it is told.
    Fd control_socket() const {
        Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        EXPECT_LT(config_.queue.control.size(), sizeof address.sun_path);
        std::memcpy(address.sun_path, config_.queue.control.data(), config_.queue.control.size());
        EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        return socket;
    }
    static std::string heard_at(const Fd& socket) {
        char text[100];
        const ssize_t got = ::recv(socket.get(), text, sizeof text, MSG_DONTWAIT);
        return std::string(text, got < 0 ? 0 : static_cast<std::size_t>(got));
    }

    const std::string login_ = identify_caller().login;
    std::string folder_;
    Config config_;
    Fd saved_input_;
};

TEST_F(SubmitTest, a_message_is_stored_in_silence) {
    const SubmitOutcome outcome =
        submit({"-i", "bob@x.test", "Eve <eve@x.test>, bob@x.test"}, "Subject: x\n\n.\nbody\n");
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.errors, "");
    ASSERT_EQ(outcome.drops.size(), 1U);
    EXPECT_EQ(recipients(outcome.drops[0]), "bob@x.test eve@x.test ");
    EXPECT_EQ(outcome.drops[0].envelope.sender.to_string(), login_) << "the reader knows the host's name";
    EXPECT_EQ(outcome.drops[0].envelope.parameters.body, Body::seven_bit);
    EXPECT_EQ(outcome.drops[0].owner, ::getuid());
    EXPECT_TRUE(outcome.texts[0].ends_with("\n\n.\nbody\n"));
}

TEST_F(SubmitTest, header_recipients_add_to_those_of_the_command_line) {
    const SubmitOutcome outcome =
        submit({"-t", "ann@x.test"}, "To: bob@x.test, ann@x.test\nBcc: eve@x.test\n\nbody\n");
    EXPECT_EQ(outcome.exit_code, 0);
    ASSERT_EQ(outcome.drops.size(), 1U);
    EXPECT_EQ(recipients(outcome.drops[0]), "ann@x.test bob@x.test eve@x.test ");
    EXPECT_EQ(outcome.texts[0].find("eve"), std::string::npos) << "blind copies stay blind";
}

TEST_F(SubmitTest, bcc_is_removed_without_minus_t) {
    const SubmitOutcome outcome = submit({"eve@x.test"}, "Bcc: eve@x.test\n\nbody\n");
    ASSERT_EQ(outcome.texts.size(), 1U);
    EXPECT_EQ(outcome.texts[0].find("eve"), std::string::npos);
}

TEST_F(SubmitTest, local_names_must_exist) {
    const SubmitOutcome outcome =
        submit({login_, "sales", "nosuch", "b@x.test", "gone@also.test"}, "S: x\n\nbody\n");
    EXPECT_EQ(outcome.exit_code, 67);
    EXPECT_NE(outcome.errors.find("sendmail: nosuch: unknown user\n"), std::string::npos) << outcome.errors;
    EXPECT_NE(outcome.errors.find("sendmail: gone@also.test: unknown user\n"), std::string::npos);
    ASSERT_GE(outcome.drops.size(), 1U);
    EXPECT_EQ(recipients(outcome.drops[0]), login_ + " sales b@x.test ") << "good ones are sent";
}

TEST_F(SubmitTest, exit_codes_of_bad_recipients) {
    EXPECT_EQ(submit({"-oep", "a b", "c@x.test"}, "\n").exit_code, 65);
    EXPECT_EQ(submit({"-oep", "a b", "nosuch"}, "\n").exit_code, 67);
    EXPECT_EQ(submit({"-oep", "--", "-f"}, "\n").exit_code, 65);
    EXPECT_EQ(submit({"-oep"}, "\n").exit_code, 64);
    const SubmitOutcome none = submit({"-oep", "-t"}, "To: list:;\n\n");
    EXPECT_EQ(none.exit_code, 64);
    EXPECT_EQ(none.errors, "sendmail: No recipient addresses found in the header\n");
    config_.limits.recipients = 2;
    EXPECT_EQ(submit({"-oep", "a@x.test,b@x.test,c@x.test"}, "\n").exit_code, 65);
}

TEST_F(SubmitTest, errors_are_told_as_asked) {
    const SubmitOutcome quiet = submit({"-oeq", "nosuch"}, "\n");
    EXPECT_EQ(quiet.exit_code, 67);
    EXPECT_EQ(quiet.errors, "");
    EXPECT_TRUE(quiet.drops.empty());

    const SubmitOutcome printed = submit({"-oep", "nosuch"}, "\n");
    EXPECT_EQ(printed.errors, "sendmail: nosuch: unknown user\n");
    EXPECT_TRUE(printed.drops.empty());

    const SubmitOutcome mailed = submit({"-oem", "-f", "me@x.test", "nosuch"}, "Subject: mine\n\nbody\n");
    EXPECT_EQ(mailed.exit_code, 67);
    EXPECT_EQ(mailed.errors, "");
    ASSERT_EQ(mailed.drops.size(), 1U);
    EXPECT_TRUE(mailed.drops[0].envelope.sender.is_null());
    EXPECT_EQ(recipients(mailed.drops[0]), "me@x.test ");
    EXPECT_NE(mailed.texts[0].find("    nosuch: unknown user\n"), std::string::npos);
    EXPECT_NE(mailed.texts[0].find("\nSubject: mine\n"), std::string::npos);

    const SubmitOutcome null_sender = submit({"-oem", "-f", "<>", "nosuch"}, "\n");
    EXPECT_TRUE(null_sender.drops.empty()) << "the null sender is never told by mail";
    EXPECT_EQ(null_sender.errors, "sendmail: nosuch: unknown user\n");
}

TEST_F(SubmitTest, senders) {
    const auto sender = [&](const char* value) {
        const SubmitOutcome outcome = submit({"-f", value, "b@x.test"}, "\n");
        return outcome.drops.empty() ? fmt::format("exit {}", outcome.exit_code)
                                     : outcome.drops[0].envelope.sender.to_string();
    };
    EXPECT_EQ(sender(""), "");
    EXPECT_EQ(sender("<>"), "");
    EXPECT_EQ(sender("eve"), "eve");
    EXPECT_EQ(sender("eve@host.test"), "eve");
    EXPECT_EQ(sender("@x.test"), login_ + "@x.test");
    EXPECT_EQ(sender("Eve <eve@x.test>"), "eve@x.test");
    EXPECT_EQ(sender("-t"), "exit 65");
    EXPECT_EQ(sender("a b"), "exit 65");
}

TEST_F(SubmitTest, from_names_the_sender) {
    EXPECT_NE(submit({"-F", "Cron Daemon", "b@x.test"}, "\n")
                  .texts[0]
                  .find("From: Cron Daemon <" + login_ + "@host.test>\n"),
              std::string::npos);
    ::setenv("NAME", "My Name", 1);
    EXPECT_NE(submit({"b@x.test"}, "\n").texts[0].find("From: My Name <"), std::string::npos);
    ::unsetenv("NAME");
    EXPECT_NE(submit({"-f", "eve@x.test", "b@x.test"}, "\n").texts[0].find("From: eve@x.test\n"),
              std::string::npos)
        << "my name does not belong to her address";
    EXPECT_NE(submit({"-f", "<>", "b@x.test"}, "\n").texts[0].find(login_ + "@host.test"), std::string::npos);
}

TEST_F(SubmitTest, body_type) {
    EXPECT_EQ(submit({"b@x.test"}, "S: x\n\n\xc3\xb6\n").drops[0].envelope.parameters.body,
              Body::eight_bit_mime);
    EXPECT_EQ(submit({"-B8BITMIME", "b@x.test"}, "S: x\n\no\n").drops[0].envelope.parameters.body,
              Body::eight_bit_mime);
}

TEST_F(SubmitTest, input_that_cannot_be_read_or_stored_is_refused) {
    EXPECT_EQ(submit({"b@x.test"}, std::string_view("a\0b", 3)).exit_code, 0);
    config_.queue.minfree = ~0ULL;
    EXPECT_EQ(submit({"b@x.test"}, "\n").exit_code, 71);
    config_.queue.minfree = 0;
    fs::rename(folder_ + "/drop", folder_ + "/moved");
    std::vector<std::string> words{"sendmail", "b@x.test"};
    const auto parsed = parse_command_line(words, [](std::string_view) { return false; });
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(submit_message(config_, parsed.line), 69);
    CommandLine closed = parsed.line;
    closed.submission.input_missing = true;
    EXPECT_EQ(submit_message(config_, closed), 66);
    (void)::testing::internal::GetCapturedStderr();
    fs::rename(folder_ + "/moved", folder_ + "/drop");
}

TEST_F(SubmitTest, large_messages_pass_whole) {
    std::string body;
    while (body.size() < 300000)
        body += "A line of a large message, number " + std::to_string(body.size()) + "\n";
    const SubmitOutcome outcome = submit({"-i", "b@x.test"}, "Subject: x\n\n" + body);
    ASSERT_EQ(outcome.texts.size(), 1U);
    EXPECT_TRUE(outcome.texts[0].ends_with("\n\n" + body));
}

TEST_F(SubmitTest, a_large_message_that_is_still_coming_is_no_drop) {
    const std::string drop = folder_ + "/drop";
    Message message(drop);
    message.append(std::string(2 * Message::memory_limit, 'x'));
    ASSERT_FALSE(fs::is_empty(drop));
    const std::string name = fs::directory_iterator(drop)->path().filename();
    EXPECT_TRUE(list_drops(drop).empty());
    EXPECT_FALSE(open_drop(drop, name, 10));
    EXPECT_EQ(sweep_drops(drop, Seconds(3600)), 0U);
    EXPECT_EQ(sweep_drops(drop, Seconds(-3600)), 1U) << "what a killed writer left goes in time";
}

TEST_F(SubmitTest, a_running_server_is_triggered) {
    const Fd socket = control_socket();
    const auto heard = [&] { return heard_at(socket); };
    submit({"b@x.test"}, "\n");
    EXPECT_TRUE(heard().starts_with("drop "));
    submit({"-odq", "b@x.test"}, "\n");
    EXPECT_EQ(heard(), "") << "-odq leaves it in the queue";
    EXPECT_TRUE(trigger(config_.queue.control, "run"));
    EXPECT_EQ(heard(), "run");
    EXPECT_FALSE(trigger(folder_ + "/nobody", "run"));
    EXPECT_FALSE(trigger(std::string(200, 'x'), "run"));
}

TEST_F(SubmitTest, a_waiting_submitter_makes_a_fifo_and_reads_the_outcome) {
    const Fd socket = control_socket();
    for (const char* option : {"-odi", "-v"}) {
        const Recipient bob{
            Address("bob", "x.test"), {Destination::Remote{}, Address("bob", "x.test")}, {}, {}};
        std::thread server([&] {
            char text[100];
            const ssize_t got = ::recv(socket.get(), text, sizeof text, 0);
            const std::string trigger(text, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
            EXPECT_TRUE(trigger.starts_with("watch ")) << trigger;
            StatusWriter watch = StatusWriter::open(folder_ + "/drop", trigger.substr(6));
            watch.restrict_to(::geteuid(), false);
            EXPECT_TRUE(watch);
            watch.write_transcript("192.0.2.1 >> MAIL FROM:<>");
            watch.report_outcome(bob, failed("5.1.1", "No such user"));
        });
        const SubmitOutcome outcome = submit({option, "bob@x.test"}, "\n");
        server.join();
        EXPECT_EQ(outcome.exit_code, 67);
        const std::string line = "bob@x.test: failed: 550 5.1.1 No such user\n";
        if (std::string_view(option) == "-odi") {
            EXPECT_EQ(outcome.errors, "sendmail: " + line);
        } else {
            EXPECT_TRUE(outcome.errors.ends_with(": stored\n192.0.2.1 >> MAIL FROM:<>\n" + line));
        }
    }
}

TEST_F(SubmitTest, without_waiting_there_is_no_fifo) {
    const Fd socket = control_socket();
    EXPECT_TRUE(submit({"-odb", "b@x.test"}, "\n").errors.empty());
    EXPECT_TRUE(heard_at(socket).starts_with("drop "));
    EXPECT_TRUE(submit({"-v", "-odq", "b@x.test"}, "\n").errors.ends_with(": stored\nb@x.test: queued\n"));
    EXPECT_EQ(heard_at(socket), "");
    config_.submission.delivery_wait = Seconds(0);
    EXPECT_TRUE(submit({"-odi", "b@x.test"}, "\n").errors.empty());
    EXPECT_TRUE(heard_at(socket).starts_with("drop "));
}

TEST_F(SubmitTest, without_a_server_the_submitter_does_not_wait) {
    const SubmitOutcome outcome = submit({"-v", "b@x.test"}, "\n");
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_TRUE(
        outcome.errors.ends_with("no server is running: the message waits for it\nb@x.test: queued\n"));
    EXPECT_EQ(submit({"-odi", "b@x.test"}, "\n").errors, "");
}

TEST_F(SubmitTest, dead_letters) {
    const std::string home = folder_ + "/home";
    const std::string path = home + "/dead.letter";
    const Fd message = disk::memory_file("Subject: x\n\nFrom here\n>From there\nend\n");
    const Address sender("me", "host.test");
    EXPECT_FALSE(save_dead_letter(home, sender, message.get())) << "no such home";
    EXPECT_FALSE(save_dead_letter("", sender, message.get()));
    fs::create_directory(home);
    EXPECT_EQ(save_dead_letter(home, sender, message.get()), path);
    const Fd saved = disk::open(path, O_RDONLY);
    const std::string text = disk::read_all(saved.get(), 10000);
    EXPECT_TRUE(text.starts_with("From me@host.test "));
    EXPECT_TRUE(text.ends_with("\nSubject: x\n\n>From here\n>>From there\nend\n\n"));
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    fs::create_hard_link(path, folder_ + "/other");
    EXPECT_FALSE(save_dead_letter(home, sender, message.get())) << "a second name may be a trap";
    fs::remove(path);
    fs::create_symlink(folder_ + "/other", path);
    EXPECT_FALSE(save_dead_letter(home, sender, message.get())) << "links are not followed";
}

}  // namespace
}  // namespace postoffice
