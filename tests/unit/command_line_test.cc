// The command line: names, words, and each row of the option tables.
#include <gtest/gtest.h>

#include <functional>

#include "command_line_words.h"

namespace postoffice {
namespace {

using namespace testing_command_line;

TEST(CommandLineTest, name_chooses_the_mode) {
    const std::vector<std::pair<const char*, Mode>> names = {
        {"postoffice", Mode::submit},
        {"sendmail", Mode::submit},
        {"send-mail", Mode::submit},
        {"/usr/sbin/SendMail", Mode::submit},
        {"smtpd", Mode::daemon},
        {"/x/y/mailq", Mode::list_queue},
        {"MAILQ", Mode::list_queue},
        {"runq", Mode::run_queue},
        {"newaliases", Mode::rebuild_aliases},
        {"rmail", Mode::submit},
        {"hoststat", Mode::host_status},
        {"purgestat", Mode::host_status},
        {"sendmail.postoffice", Mode::submit},
    };
    for (const auto& [name, mode] : names) EXPECT_EQ(accepted(name).mode, mode) << name;
    EXPECT_EQ(accepted("/usr/lib/sendmail bob").program, "sendmail");
    EXPECT_FALSE(accepted("rmail bob").submission.dot_ends);
    EXPECT_EQ(accepted("rmail bob").submission.error_mode, ErrorMode::mail);
    EXPECT_EQ(parse_command_line({}, is_test_option).line.program, "postoffice");
}

TEST(CommandLineTest, options_end_at_the_first_other_word) {
    EXPECT_EQ(accepted("sendmail -i bob -t").words, (Words{"bob", "-t"}));
    EXPECT_FALSE(accepted("sendmail -i bob -t").submission.recipients_from_header);
    EXPECT_EQ(accepted("sendmail -i -- -t").words, (Words{"-t"}));
    EXPECT_EQ(accepted("sendmail -i - -t").words, (Words{"-", "-t"}));
    EXPECT_EQ(accepted("sendmail -i '' -t").words, (Words{"", "-t"}));
}

TEST(CommandLineTest, values_are_attached_or_separate_or_empty) {
    EXPECT_EQ(accepted("sendmail -fme@x bob").submission.sender, "me@x");
    EXPECT_EQ(accepted("sendmail -f me@x bob").submission.sender, "me@x");
    EXPECT_EQ(accepted("sendmail -f '' bob").submission.sender, "");
    EXPECT_EQ(accepted("sendmail -f <> bob").submission.sender, "<>");
    EXPECT_EQ(accepted("sendmail -r me bob").submission.sender, "me");
    EXPECT_EQ(accepted("sendmail -f one -f two -rthree bob").submission.sender, "three")
        << "the last one wins";
    EXPECT_EQ(refusal("sendmail -f"), 64);
    EXPECT_EQ(refusal("sendmail -bob bob"), 64);
}

TEST(CommandLineTest, letters_cluster) {
    for (const char* text : {"sendmail -ti", "sendmail -it", "sendmail -t -i", "sendmail -vti"}) {
        const CommandLine line = accepted(text);
        EXPECT_TRUE(line.submission.recipients_from_header) << text;
        EXPECT_FALSE(line.submission.dot_ends) << text;
    }
    EXPECT_TRUE(accepted("sendmail -vt").verbose);
    EXPECT_EQ(accepted("sendmail -itfme").submission.sender, "me");
}

struct Row {
    const char* text;
    std::function<bool(const CommandLine&)> holds;
};

TEST(CommandLineTest, each_option_acts) {
    const std::vector<Row> rows = {
        {"postoffice -a -bd", [](auto& l) { return l.daemon.audit; }},
        {"smtpd -a", [](auto& l) { return l.daemon.audit && l.mode == Mode::daemon; }},
        {"sendmail -B 7BIT bob", [](auto& l) { return l.submission.eight_bit == false; }},
        {"sendmail -B8bitmime bob", [](auto& l) { return l.submission.eight_bit == true; }},
        {"sendmail bob", [](auto& l) { return !l.submission.eight_bit && l.submission.dot_ends; }},
        {"sendmail -bC", [](auto& l) { return l.mode == Mode::check_config; }},
        {"sendmail -bd",
         [](auto& l) { return l.mode == Mode::daemon && !l.daemon.foreground && l.daemon.serve_smtp; }},
        {"sendmail -bD", [](auto& l) { return l.mode == Mode::daemon && l.daemon.foreground; }},
        {"sendmail -bdf", [](auto& l) { return l.mode == Mode::daemon && l.daemon.foreground; }},
        {"sendmail -bl", [](auto& l) { return l.mode == Mode::daemon && l.daemon.loopback_only; }},
        {"sendmail -bh", [](auto& l) { return l.mode == Mode::host_status; }},
        {"sendmail -bH", [](auto& l) { return l.mode == Mode::host_status; }},
        {"sendmail -bi h1 h2",
         [](auto& l) { return l.mode == Mode::rebuild_aliases && l.words.size() == 2; }},
        {"sendmail -I", [](auto& l) { return l.mode == Mode::rebuild_aliases; }},
        {"sendmail -bi -oA/x", [](auto& l) { return l.alias_file == "/x"; }},
        {"mailq -bm bob", [](auto& l) { return l.mode == Mode::submit; }},
        {"newaliases -bp", [](auto& l) { return l.mode == Mode::list_queue; }},
        {"sendmail -bpc", [](auto& l) { return l.mode == Mode::count_queue; }},
        {"sendmail -bP", [](auto& l) { return l.mode == Mode::count_queue; }},
        {"sendmail -bq", [](auto& l) { return l.mode == Mode::run_queue; }},
        {"sendmail -bq bob", [](auto& l) { return l.mode == Mode::submit && l.submission.queue_only; }},
        {"sendmail -bq -t", [](auto& l) { return l.mode == Mode::submit && l.submission.queue_only; }},
        {"postoffice -bq", [](auto& l) { return l.mode == Mode::run_queue; }},
        {"sendmail -bs", [](auto& l) { return l.mode == Mode::serve_stdio; }},
        {"sendmail -bt bob", [](auto& l) { return l.mode == Mode::explain; }},
        {"sendmail -bt --json bob", [](auto& l) { return l.json; }},
        {"sendmail -bv bob", [](auto& l) { return l.mode == Mode::verify; }},
        {"sendmail -bV", [](auto& l) { return l.mode == Mode::show_version; }},
        {"sendmail -C /etc/x bob", [](auto& l) { return l.config_file == "/etc/x"; }},
        {"sendmail bob", [](auto& l) { return !l.config_file; }},
        {"smtpd -D /tmp/log -d", [](auto& l) { return l.daemon.debug; }},
        {"smtpd -d", [](auto& l) { return l.daemon.debug && l.daemon.foreground; }},
        {"sendmail -d bob", [](auto& l) { return !l.daemon.debug && !l.daemon.foreground; }},
        {"sendmail -d0", [](auto& l) { return l.mode == Mode::show_version; }},
        {"sendmail -d0.15 bob", [](auto& l) { return l.mode == Mode::submit && l.version_first; }},
        {"sendmail -d0 -t", [](auto& l) { return l.mode == Mode::submit && l.version_first; }},
        {"sendmail -d0-99.1 bob", [](auto& l) { return !l.version_first; }},
        {"sendmail -d21.12 bob", [](auto& l) { return !l.version_first; }},
        {"sendmail -em bob",
         [](auto& l) { return l.submission.error_mode == ErrorMode::mail && l.submission.error_mode_given; }},
        {"sendmail -e q bob", [](auto& l) { return l.submission.error_mode == ErrorMode::quiet; }},
        {"sendmail -F Name bob", [](auto& l) { return l.submission.full_name == "Name"; }},
        {"sendmail -p ESMTP:gw.test bob",
         [](auto& l) { return l.submission.protocol == "ESMTP" && l.submission.from_host == "gw.test"; }},
        {"sendmail -pUUCP bob",
         [](auto& l) { return l.submission.protocol == "UUCP" && l.submission.from_host.empty(); }},
        {"sendmail -G bob", [](auto& l) { return l.submission.gateway; }},
        {"sendmail -i bob", [](auto& l) { return !l.submission.dot_ends; }},
        {"sendmail -oi bob", [](auto& l) { return !l.submission.dot_ends; }},
        {"sendmail -oitrue bob", [](auto& l) { return !l.submission.dot_ends; }},
        {"sendmail -oifalse bob", [](auto& l) { return l.submission.dot_ends; }},
        {"sendmail -o i bob", [](auto& l) { return !l.submission.dot_ends && l.words == Words{"bob"}; }},
        {"sendmail -L tag bob", [](auto& l) { return l.log_tag == "tag"; }},
        {"sendmail -L 0123456789012345678901234567890123456789 bob",
         [](auto& l) { return l.log_tag.size() == 32; }},
        {"sendmail -N never bob", [](auto& l) { return l.submission.dsn_notify == "never"; }},
        {"sendmail -NSuccess,DELAY bob", [](auto& l) { return l.submission.dsn_notify == "success,delay"; }},
        {"sendmail -n bob", [](auto& l) { return l.only_changed; }},
        {"sendmail -p SMTP:host bob", [](auto& l) { return l.words == Words{"bob"}; }},
        {"sendmail -R full bob", [](auto& l) { return l.submission.dsn_return == "full"; }},
        {"sendmail -RHDRS bob", [](auto& l) { return l.submission.dsn_return == "hdrs"; }},
        {"smtpd -bs -R 192.0.2.1", [](auto& l) { return l.client.address == "192.0.2.1"; }},
        {"sendmail -t", [](auto& l) { return l.submission.recipients_from_header; }},
        {"sendmail -V", [](auto& l) { return l.mode == Mode::show_version; }},
        {"postoffice -V x", [](auto& l) { return l.mode == Mode::show_version; }},
        {"mailq -V", [](auto& l) { return l.mode == Mode::show_version; }},
        {"sendmail -V QQ+2B314 bob",
         [](auto& l) { return l.submission.envelope_id == "QQ+2B314" && l.words == Words{"bob"}; }},
        {"sendmail -VQQ314 bob",
         [](auto& l) { return l.submission.envelope_id == "QQ314" && l.words == Words{"bob"}; }},
        {"sendmail -v bob", [](auto& l) { return l.verbose; }},
        {"sendmail -ov bob", [](auto& l) { return l.verbose; }},
        {"sendmail -X /tmp/x bob", [](auto& l) { return l.words == Words{"bob"}; }},
        {"sendmail --version", [](auto& l) { return l.mode == Mode::show_version; }},
        {"mailq --help", [](auto& l) { return l.mode == Mode::show_help; }},
        {"newaliases -t --help", [](auto& l) { return l.mode == Mode::show_help; }},
    };
    for (const Row& row : rows) EXPECT_TRUE(row.holds(accepted(row.text))) << row.text;
}

TEST(CommandLineTest, options_of_other_mailers_are_ignored) {
    for (const char* text : {"-Ac",
                             "-Am",
                             "-A c",
                             "-c",
                             "-E",
                             "-Ekanji",
                             "-J",
                             "-Jx",
                             "-h 3",
                             "-h3",
                             "-m",
                             "-om",
                             "-s",
                             "-T 5",
                             "-T5m",
                             "-U",
                             "-x",
                             "-o7",
                             "-o8",
                             "-oo",
                             "-oT1h",
                             "-oX15",
                             "-omsp",
                             "-or15m",
                             "-or0s",
                             "-or 0s",
                             "-os 5m",
                             "-MXvalue",
                             "-OTimeout.queuewarn=4h",
                             "-O Nonsense=1",
                             "-oZ"}) {
        const CommandLine line = accepted(std::string("sendmail ") + text + " -t bob");
        EXPECT_EQ(line.mode, Mode::submit) << text;
        EXPECT_EQ(line.words, Words{"bob"}) << text;
        EXPECT_TRUE(line.submission.recipients_from_header) << text;
        EXPECT_TRUE(line.settings.empty() && line.submission.dot_ends) << text;
    }
}

TEST(CommandLineTest, refused_with_64) {
    for (const char* text : {"sendmail -a bob",
                             "mailq -a",
                             "sendmail -B 9BIT bob",
                             "sendmail -ba",
                             "sendmail -bS",
                             "sendmail -bx",
                             "sendmail -b",
                             "sendmail -b ''",
                             "sendmail -h x bob",
                             "sendmail -h -1 bob",
                             "sendmail -N sometimes bob",
                             "sendmail -N never,delay bob",
                             "sendmail -N '' bob",
                             "sendmail -R some bob",
                             "sendmail -R 192.0.2.1 -bs",
                             "smtpd -R 192.0.2.1",
                             "sendmail -V a=b bob",
                             "sendmail -V a+b bob",
                             "sendmail -V '' bob",
                             "sendmail -XV bob",
                             "sendmail -XV+= bob",
                             "sendmail -z x bob",
                             "sendmail -tls-on-connect",
                             "sendmail -k bob",
                             "sendmail --nonsense",
                             "sendmail -e x bob",
                             "sendmail -e '' bob",
                             "sendmail -odx bob",
                             "sendmail -t -bp",
                             "sendmail -q -bs",
                             "sendmail -bs -bd",
                             "sendmail -q -t",
                             "sendmail -q bob",
                             "sendmail -bv -q bob",
                             "sendmail -bm -q",
                             "sendmail -q0",
                             "sendmail -q15x",
                             "sendmail -q-5",
                             "sendmail -qp",
                             "sendmail -qR",
                             "sendmail -q!",
                             "sendmail -q!x",
                             "sendmail -S",
                             "sendmail -Q",
                             "sendmail -Qwhy",
                             "sendmail -M",
                             "sendmail -Mrm",
                             "sendmail -Mrmx a",
                             "sendmail -Mrm -Mf a",
                             "sendmail -O smtputf8=maybe bob",
                             "sendmail -O DaemonPortOptions=Addr=localhost,Sometimes -bd",
                             "smtpd stop",
                             "smtpd now",
                             "sendmail -bd now",
                             "sendmail -bs now",
                             "sendmail -bC now",
                             "sendmail -bpc now",
                             "mailq now",
                             "mailq -q!",
                             "sendmail -P",
                             "mailq -P",
                             "postoffice -P now",
                             "postoffice status now",
                             "postoffice -bp status",
                             "sendmail -oA",
                             "smtpd -d -D /tmp/x",
                             "sendmail -oMa",
                             "sendmail -q99999999999999999999"}) {
        EXPECT_EQ(refusal(text), 64) << text;
    }
    std::string long_id = "sendmail -V ";
    EXPECT_EQ(refusal(long_id + std::string(100, 'x') + " bob"), 0);
    EXPECT_EQ(refusal(long_id + std::string(101, 'x') + " bob"), 64);
}

TEST(CommandLineTest, words_of_administrators) {
    EXPECT_EQ(accepted("postoffice start").mode, Mode::daemon);
    EXPECT_TRUE(accepted("postoffice -q5m start").daemon.queue_interval.has_value());
    EXPECT_EQ(accepted("postoffice stop").mode, Mode::stop);
    EXPECT_EQ(accepted("postoffice reload").mode, Mode::reload);
    EXPECT_EQ(accepted("postoffice status").mode, Mode::show_status);
    EXPECT_EQ(accepted("postoffice -C /x check").mode, Mode::check_config);
    EXPECT_TRUE(accepted("postoffice check").words.empty());
    EXPECT_EQ(accepted("postoffice -P").mode, Mode::show_options);
    EXPECT_TRUE(accepted("postoffice -P -n").only_changed);
    for (const char* text :
         {"postoffice -- status", "postoffice -t status", "postoffice bob status", "sendmail status"})
        EXPECT_EQ(accepted(text).mode, Mode::submit) << text;
}

TEST(CommandLineTest, control_characters_are_refused_everywhere) {
    const auto code = [](Words words) {
        const auto parsed = parse_command_line(words, is_test_option);
        return parsed.error ? parsed.error->exit_code : 0;
    };
    for (const char* option :
         {"-f", "-r", "-L", "-C", "-o", "-O", "-N", "-B", "-p", "-X", "-D", "-S", "-A", "-T"})
        EXPECT_EQ(code({"sendmail", option, "a\nb", "bob"}), 65) << option;
    EXPECT_EQ(code({"sendmail", "-t", "bob\nBcc: eve"}), 65);
    EXPECT_EQ(code({"sendmail", "-t", "bob\x7f"}), 65);
    EXPECT_EQ(code({"sendmail", "-d\x01"}), 65);
    EXPECT_EQ(code({"sendmail", "-qR\x01"}), 65);
    EXPECT_EQ(code({"sendmail", "-F", "a\x01", "bob"}), 65);
    const auto name = parse_command_line({"sendmail", "-F", "Cron\nDaemon", "bob"}, is_test_option);
    EXPECT_EQ(name.line.submission.full_name, "Cron Daemon") << "a name on two lines is one name";
    const auto message = parse_command_line({"sendmail", "-f", "a\nb"}, is_test_option).error->text;
    EXPECT_EQ(message.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace postoffice
