// The argument vectors that programs are known to call sendmail with.
#include <gtest/gtest.h>

#include "command_line_words.h"

namespace postoffice {
namespace {

using namespace testing_command_line;

/// What programs really call, with the sender and the words they mean.
struct Vector {
    const char* program;
    const char* text;
    Mode mode;
    Words words;
    bool from_header;
    bool dot_ends;
};

TEST(CommandLineTest, argument_vectors_of_real_programs) {
    const std::vector<Vector> vectors = {
        {"bsd-mailx", "sendmail -i -m -v -f from -- bob eve", Mode::submit, {"bob", "eve"}, false, false},
        {"bsd-mailx", "sendmail -i bob", Mode::submit, {"bob"}, false, false},
        {"s-nail", "sendmail -i -m -v -F name -f from -- bob", Mode::submit, {"bob"}, false, false},
        {"mailutils", "sendmail -oi -f user@host bob", Mode::submit, {"bob"}, false, false},
        {"mailutils", "sendmail -oi -f user@host -t", Mode::submit, {}, true, false},
        {"mutt",
         "sendmail -oem -oi -f from -B8BITMIME -N success,failure -R full -- bob",
         Mode::submit,
         {"bob"},
         false,
         false},
        {"mutt", "sendmail -oem -oi -- bob eve", Mode::submit, {"bob", "eve"}, false, false},
        {"alpine", "sendmail -bs -odb -oem", Mode::serve_stdio, {}, false, true},
        {"nmh", "sendmail -t -i -v", Mode::submit, {}, true, false},
        {"nmh", "sendmail -bs -odi", Mode::serve_stdio, {}, false, true},
        {"emacs", "sendmail -oi -f from -oA/aliases -oem -odb -t -N never", Mode::submit, {}, true, false},
        {"emacs", "sendmail -oi -f from -oep -odi -t", Mode::submit, {}, true, false},
        {"git send-email", "sendmail -f from -i bob eve", Mode::submit, {"bob", "eve"}, false, false},
        {"cron, Debian",
         "sendmail -FCronDaemon -i -B8BITMIME -oem user",
         Mode::submit,
         {"user"},
         false,
         false},
        {"cron, Vixie", "sendmail -FCronDaemon -odi -oem -oi -t", Mode::submit, {}, true, false},
        {"cron, old", "sendmail -FCronDaemon -odi -oem -or0s user", Mode::submit, {"user"}, false, true},
        {"cron", "sendmail -FCronDaemon -odi -oem -oi -- user", Mode::submit, {"user"}, false, false},
        {"cronie", "sendmail -FCronDaemon -i -odi -oem -oi -t -f user", Mode::submit, {}, true, false},
        {"cronie", "sendmail -FCronDaemon -i -odi -oem -oi -t -f <>", Mode::submit, {}, true, false},
        {"busybox crond", "sendmail -ti", Mode::submit, {}, true, false},
        {"systemd-cron", "sendmail -i -B8BITMIME user", Mode::submit, {"user"}, false, false},
        {"at", "sendmail -i user", Mode::submit, {"user"}, false, false},
        {"anacron", "sendmail -FAnacron -odi user", Mode::submit, {"user"}, false, true},
        {"sudo", "sendmail -t", Mode::submit, {}, true, true},
        {"mdadm, logwatch, quota", "sendmail -t", Mode::submit, {}, true, true},
        {"unattended-upgrades", "sendmail -oi -t", Mode::submit, {}, true, false},
        {"procmail", "sendmail -oi bob eve", Mode::submit, {"bob", "eve"}, false, false},
        {"PHP", "/usr/sbin/sendmail -t -i -fuser@x", Mode::submit, {}, true, false},
        {"PHP, two senders", "sendmail -t -i -fsite@x -fuser@x", Mode::submit, {}, true, false},
        {"PHPMailer", "sendmail -oi -fSENDER -t", Mode::submit, {}, true, false},
        {"Symfony", "sendmail -bs", Mode::serve_stdio, {}, false, true},
        {"Symfony", "sendmail -bs -i", Mode::serve_stdio, {}, false, false},
        {"Symfony", "sendmail -oi -t -fSENDER", Mode::submit, {}, true, false},
        {"nodemailer", "sendmail -i -f FROM bob", Mode::submit, {"bob"}, false, false},
        {"Ruby mail", "sendmail -i -f FROM -- bob", Mode::submit, {"bob"}, false, false},
        {"Perl Email::Sender", "sendmail -i -f FROM -- bob", Mode::submit, {"bob"}, false, false},
        {"Perl Mail::Mailer", "sendmail -t", Mode::submit, {}, true, true},
        {"Perl MIME::Lite", "sendmail -t -oi -oem", Mode::submit, {}, true, false},
        {"sqwebmail", "sendmail -oi -t -f FROM -N success", Mode::submit, {}, true, false},
        {"Request Tracker", "sendmail -oi -t -f FROM", Mode::submit, {}, true, false},
        {"Request Tracker with dma", "sendmail -bq -oi -t -f FROM", Mode::submit, {}, true, false},
        {"configure", "sendmail -d0", Mode::show_version, {}, false, true},
        {"check_mailq", "mailq", Mode::list_queue, {}, false, true},
        {"check_mailq", "/usr/bin/mailq -Ac", Mode::list_queue, {}, false, true},
        {"rc",
         "sendmail -L sm-mta -bd -q30m -ODaemonPortOptions=Addr=localhost",
         Mode::daemon,
         {},
         false,
         true},
        {"rc", "sendmail -L sm-msp-queue -Ac -q30m", Mode::daemon, {}, false, true},
        {"systemd unit", "postoffice -q5m -bD -a", Mode::daemon, {}, false, true},
    };
    for (const Vector& vector : vectors) {
        SCOPED_TRACE(std::string(vector.program) + ": " + vector.text);
        const CommandLine line = accepted(vector.text);
        EXPECT_EQ(line.mode, vector.mode);
        EXPECT_EQ(line.words, vector.words);
        EXPECT_EQ(line.submission.recipients_from_header, vector.from_header);
        EXPECT_EQ(line.submission.dot_ends, vector.dot_ends);
    }
    EXPECT_EQ(accepted("sendmail -t -i -fsite@x -fuser@x").submission.sender, "user@x");
    EXPECT_EQ(accepted("sendmail -FCronDaemon -i -odi -oem -oi -t -f <>").submission.full_name, "CronDaemon");
    EXPECT_EQ(accepted("sendmail -L sm-msp-queue -Ac -q30m").daemon.serve_smtp, false);
}

}  // namespace
}  // namespace postoffice
