// hosts.allow and hosts.deny through the real libwrap, with what its rules may do to a process.
#include "postoffice/policy/hosts_access.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "../../src/policy/libwrap.h"
#include "../support/session_host.h"

namespace postoffice {
namespace {

using VerdictKind = AccessVerdict::Kind;

class HostsAccess : public testing::Test {
  protected:
    void SetUp() override {
        if (!has_libwrap) GTEST_SKIP() << "BUILT WITHOUT LIBWRAP: hosts.allow and hosts.deny are not asked";
    }
    AccessVerdict ask(const std::string& deny, const std::string& allow = "") const {
        folder_.write("deny", deny);
        folder_.write("allow", allow);
        return consult_hosts_access(client_, {folder_.path() + "/allow", folder_.path() + "/deny"});
    }
    VerdictKind kind(const std::string& deny, const std::string& allow = "") const {
        return ask(deny, allow).kind;
    }

    testing_support::TemporaryFolder folder_;
    Client client_{IpAddress::parse("192.0.2.7"), "host.bad.example", NameStatus::verified, false};
};

TEST_F(HostsAccess, NoRulesNoRefusals) {
    EXPECT_EQ(consult_hosts_access(client_, {"/nonexistent/allow", "/nonexistent/deny"}).kind,
              VerdictKind::welcome);
    EXPECT_EQ(kind(""), VerdictKind::welcome);
    EXPECT_EQ(kind("# ALL: ALL\n\n   \n"), VerdictKind::welcome);
}

TEST_F(HostsAccess, NamesAddressesAndServices) {
    EXPECT_EQ(kind("smtp: 192.0.2.7\n"), VerdictKind::denied);
    EXPECT_EQ(kind("smtp: 192.0.2.0/255.255.255.0\n"), VerdictKind::denied);
    EXPECT_EQ(kind("smtp: .bad.example\n"), VerdictKind::denied);
    EXPECT_EQ(kind("ALL: ALL\n"), VerdictKind::denied);
    EXPECT_EQ(kind("sshd: ALL\n"), VerdictKind::welcome);
    EXPECT_EQ(kind("smtp: .good.example, 192.0.3.\n"), VerdictKind::welcome);
    EXPECT_EQ(kind("ALL: ALL\n", "smtp: .bad.example\n"), VerdictKind::welcome);
    EXPECT_EQ(kind("ALL: ALL EXCEPT 192.0.2.7\n"), VerdictKind::welcome);
    EXPECT_EQ(kind("", "smtp: .bad.example: deny\n"), VerdictKind::denied);
    client_.address = IpAddress::parse("2001:db8::7");
    EXPECT_EQ(kind("smtp: [2001:db8::]/32\n"), VerdictKind::denied);
    EXPECT_EQ(kind("smtp: [2001:db9::]/32\n"), VerdictKind::welcome);
}

TEST_F(HostsAccess, ReasonsAreTold) {
    EXPECT_EQ(ask("smtp: ALL: setenv WHY we had enough.\n"),
              (AccessVerdict{VerdictKind::denied, "we had enough"}));
    EXPECT_EQ(ask("smtp: ALL: setenv WHY %a is bad\n"),
              (AccessVerdict{VerdictKind::denied, "192.0.2.7 is bad"}));
    EXPECT_EQ(ask("smtp: ALL: setenv DENY go away\n"), (AccessVerdict{VerdictKind::outlawed, "go away"}));
    EXPECT_EQ(ask("smtp: ALL\n"), (AccessVerdict{VerdictKind::denied, ""}));
    const std::string long_reason(400, 'x');
    EXPECT_EQ(ask("smtp: ALL: setenv WHY " + long_reason + "\n").why, long_reason.substr(0, 255));
    EXPECT_EQ(ask("smtp: ALL: setenv WHY a\tb\x1b[c\n").why, "a?b?[c");
}

TEST_F(HostsAccess, ReasonsOfOthersAreForgotten) {
    ::setenv("WHY", "from the environment of the daemon", 1);
    ::setenv("DENY", "the same", 1);
    EXPECT_EQ(ask("smtp: ALL\n"), (AccessVerdict{VerdictKind::denied, ""}));
    ::unsetenv("WHY");
    ::unsetenv("DENY");
    EXPECT_EQ(ask("smtp: ALL: setenv WHY once\n").why, "once");
    EXPECT_EQ(ask("smtp: ALL\n").why, "");
}

TEST_F(HostsAccess, WhatIsKnownOfTheName) {
    client_.name = "unknown";
    client_.name_status = NameStatus::none;
    EXPECT_EQ(kind("smtp: UNKNOWN\n"), VerdictKind::denied);
    EXPECT_EQ(kind("smtp: PARANOID\n"), VerdictKind::welcome);
    client_.name_status = NameStatus::contradicted;
    EXPECT_EQ(kind("smtp: PARANOID\n"), VerdictKind::denied);
    client_.name_status = NameStatus::temporary;
    EXPECT_EQ(kind("smtp: UNKNOWN\n"), VerdictKind::temporary);
    EXPECT_EQ(kind("smtp: ALL\n", "smtp: 192.0.2.\n"), VerdictKind::welcome);
}

TEST_F(HostsAccess, NameThatWouldBeCutToAFriendsIsNoName) {
    const std::string friendly = std::string(63, 'a') + "." + std::string(49, 'b') + ".good.example";
    ASSERT_EQ(friendly.size(), 126U);
    client_.name = friendly;
    EXPECT_EQ(kind("ALL: ALL\n", "smtp: .good.example\n"), VerdictKind::welcome);
    client_.name = "x" + friendly + "s.evil.example";
    EXPECT_EQ(kind("ALL: ALL\n", "smtp: .good.example, .good.exampl, .good.examples\n"), VerdictKind::denied);
}

TEST_F(HostsAccess, WhatARuleDoesToTheProcessEndsWithIt) {
    const std::string proof = folder_.path() + "/proof";
    const int before = ::getpriority(PRIO_PROCESS, 0);
    const mode_t mask = ::umask(022);
    EXPECT_EQ(kind("smtp: ALL: setenv LEFT behind: umask 077: nice 5: severity mail.crit\n"),
              VerdictKind::denied);
    EXPECT_EQ(::umask(mask), 022U);
    EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), before);
    EXPECT_EQ(::getenv("LEFT"), nullptr);
    EXPECT_EQ(kind("smtp: ALL: twist /bin/echo 220 hello > " + proof + "\n"), VerdictKind::denied);
    EXPECT_NE(::access(proof.c_str(), F_OK), 0) << "twist was performed";
}

TEST_F(HostsAccess, CommandsDecide) {
    EXPECT_EQ(kind("ALL: ALL\n", "smtp: ALL: aclexec /bin/false\n"), VerdictKind::denied);
    EXPECT_EQ(kind("ALL: ALL\n", "smtp: ALL: aclexec /bin/true\n"), VerdictKind::welcome);
}

TEST_F(HostsAccess, TablesThatCannotBeReadDenyForNow) {
    EXPECT_EQ(consult_hosts_access(client_, {"/nonexistent/allow", folder_.path()}).kind,
              VerdictKind::temporary);
}

TEST_F(HostsAccess, RuleThatEndsTheProcessDeniesForNow) {
    EXPECT_EQ(kind("smtp: ALL: aclexec kill -9 $PPID\n"), VerdictKind::temporary);
}

TEST_F(HostsAccess, RefusalsAreWholeSentences) {
    const auto text = [&](VerdictKind kind, const std::string& why) {
        return refusal_for({kind, why}, "mail.example", client_).line();
    };
    EXPECT_EQ(text(VerdictKind::denied, "we had enough"),
              "554 5.7.1 mail.example does not accept mail from host.bad.example[192.0.2.7] because we had "
              "enough.");
    EXPECT_EQ(text(VerdictKind::denied, ""),
              "554 5.7.1 mail.example does not accept mail from host.bad.example[192.0.2.7].");
    EXPECT_EQ(text(VerdictKind::outlawed, "no").substr(0, 9), "521 5.7.1");
    EXPECT_EQ(text(VerdictKind::temporary, "").substr(0, 9), "421 4.3.0");
}

}  // namespace
}  // namespace postoffice
