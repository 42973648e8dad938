// Options of postoffice.cf on the command line, in our words and in those of sendmail.
#include <gtest/gtest.h>

#include "command_line_words.h"

namespace postoffice {
namespace {

using namespace testing_command_line;

TEST(CommandLineTest, daemon_port_options_are_a_listen_address_for_root) {
    const std::pair<const char*, const char*> cases[] = {
        {"sendmail -bd -ODaemonPortOptions=Addr=localhost", "127.0.0.1:25"},
        {"sendmail -bd -ODaemonPortOptions=Family=inet6,Address=localhost", "[::1]:25"},
        {"sendmail -bd -ODaemonPortOptions=Name=MSA,Port=submission,M=Ea", ":587"},
        {"sendmail -bd -ODaemonPortOptions=Port=2525,Addr=192.0.2.1", "192.0.2.1:2525"},
        {"sendmail -bd -ODaemonPortOptions=Addr=2001:db8::1", "[2001:db8::1]:25"},
        {"sendmail -bd -ODaemonPortOptions=Addr=*", ":25"}};
    for (const auto& [text, listen] : cases)
        EXPECT_EQ(accepted(text).root_settings, (std::vector<CommandLine::Setting>{{"listen", listen}}))
            << text;
}

TEST(CommandLineTest, requiretls_is_a_wish_for_the_message) {
    EXPECT_TRUE(accepted("sendmail -O requiretls=yes bob").submission.requiretls);
    EXPECT_FALSE(accepted("sendmail -O requiretls=no bob").submission.requiretls);
    EXPECT_NE(refusal("sendmail -O requiretls=perhaps bob"), 0);
}

TEST(CommandLineTest, set_options_of_two_languages) {
    using Settings = std::vector<CommandLine::Setting>;
    EXPECT_EQ(accepted("sendmail -odelay=1m bob").settings, (Settings{{"delay", "1m"}}));
    EXPECT_EQ(accepted("sendmail -oimmediate bob").settings, (Settings{{"immediate", "1"}}));
    EXPECT_EQ(accepted("sendmail -oimmediate=0 bob").settings, (Settings{{"immediate", "0"}}));
    EXPECT_EQ(accepted("sendmail -orelay-host=x bob").settings, (Settings{{"relay-host", "x"}}));
    EXPECT_EQ(accepted("sendmail -olisten=[::1]:25=x bob").settings, (Settings{{"listen", "[::1]:25=x"}}));

    for (const char* text : {"-odb", "-O DeliveryMode=b", "-ODeliveryMode=background"}) {
        const CommandLine line = accepted(std::string("sendmail ") + text + " bob");
        EXPECT_FALSE(line.submission.queue_only || line.submission.deliver_now) << text;
    }
    for (const char* text : {"-odi", "-odf", "-O DeliveryMode=i", "-odq -odi"})
        EXPECT_TRUE(accepted(std::string("sendmail ") + text + " bob").submission.deliver_now) << text;
    for (const char* text : {"-odq", "-odd", "-odqs", "-ODeliveryMode=q", "-O deliverymode=d"})
        EXPECT_TRUE(accepted(std::string("sendmail ") + text + " bob").submission.queue_only) << text;

    for (const char* text : {"-oem", "-oee", "-oew", "-O ErrorMode=m"})
        EXPECT_EQ(accepted(std::string("sendmail ") + text + " bob").submission.error_mode, ErrorMode::mail)
            << text;
    EXPECT_EQ(accepted("sendmail -oem -oep bob").submission.error_mode, ErrorMode::print);
    EXPECT_EQ(accepted("sendmail -oeq bob").submission.error_mode, ErrorMode::quiet);

    EXPECT_FALSE(accepted("sendmail -OIgnoreDots bob").submission.dot_ends);
    EXPECT_FALSE(accepted("sendmail -O IgnoreDots=true bob").submission.dot_ends);
    EXPECT_TRUE(accepted("sendmail -O IgnoreDots=false bob").submission.dot_ends);
    EXPECT_EQ(accepted("sendmail -bi -O AliasFile=/x").alias_file, "/x");
    EXPECT_EQ(accepted("sendmail -O SMTPUTF8=YES bob").submission.smtputf8, true);
    const CommandLine times = accepted("sendmail -O DeliverBy=2h;RT -O HoldFor=90s -O Priority=-3 bob");
    EXPECT_EQ(times.submission.deliver_by, "7200;RT");
    EXPECT_EQ(times.submission.hold_for, "90");
    EXPECT_EQ(times.submission.priority, "-3");
    EXPECT_EQ(accepted("sendmail -ODeliverBy=30 bob").submission.deliver_by, "1800;N");
    EXPECT_EQ(accepted("sendmail -O HoldUntil=2026-12-24T18:00:00Z bob").submission.hold_until,
              "2026-12-24T18:00:00Z");

    const CommandLine client =
        accepted("sendmail -bs -oMa 192.0.2.1 -oMs h.example -oMr SMTP -oMt id -oMi 192.0.2.2");
    EXPECT_EQ(client.client.address, "192.0.2.1");
    EXPECT_EQ(client.client.name, "h.example");
}

TEST(CommandLineTest, root_may_set_what_others_may_not) {
    CommandLine line = accepted("sendmail -oQ/q -O Timeout.queuereturn=1d -O MaxHopCount=7 bob");
    CommandLine same = line;
    ASSERT_TRUE(apply_caller_rights(line, false));
    EXPECT_EQ(apply_caller_rights(same, false)->exit_code, 77);
    ASSERT_FALSE(apply_caller_rights(same, true));
    EXPECT_EQ(same.settings,
              (std::vector<CommandLine::Setting>{{"queue-dir", "/q"}, {"qreturn", "1d"}, {"hops", "7"}}));

    CommandLine ignored = accepted("sendmail -O Timeout.queuereturn=1d bob");
    EXPECT_FALSE(apply_caller_rights(ignored, false));
    EXPECT_TRUE(ignored.settings.empty());
}

}  // namespace
}  // namespace postoffice
