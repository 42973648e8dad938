// The TLS that mail to a destination needs: table, option, and what they mean at a host.
#include "postoffice/outbound/tls_policy.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "local_delivery.h"
#include "postoffice/base/error.h"

namespace postoffice {
namespace {

using Use = ClientTls::Use;
using Check = TlsPeer::Check;
using Names = std::vector<std::string>;

const std::string digits(64, 'a');

class TlsPolicyTest : public ::testing::Test {
  protected:
    void write(const std::string& text) {
        std::ofstream(file_) << text;
        config_.remote.tls_policy = file_;
        // Two writes of a test may have the same time.
        std::filesystem::last_write_time(
            file_, std::filesystem::file_time_type::clock::now() + std::chrono::seconds(++writes_));
    }
    TlsPolicy policy_for(const std::string& destination) {
        return TlsPolicies(config_).policy_for(destination);
    }

    testing_local::Folder folder_;
    std::string file_ = folder_ / "table";
    int writes_ = 0;
    Config config_;
};

TEST_F(TlsPolicyTest, TheOptionCountsWithoutATable) {
    EXPECT_EQ(policy_for("b.test").level, TlsLevel::may);
    config_.remote.tls = TlsLevel::verify;
    EXPECT_EQ(policy_for("b.test").level, TlsLevel::verify);
    EXPECT_EQ(policy_for("b.test").name, "verify");
}

TEST_F(TlsPolicyTest, TheNearestLineCountsAndTheFirstOfEqualOnes) {
    write(
        "# comment\n\nB.Test encrypt\n.b.test none\n.deep.b.test verify\nb.test none\n"
        "[relay.test]:587 verify match=nexthop\n  \n goes-on\nsecure.test\tsecure\n[192.0.2.1] encrypt\n");
    EXPECT_EQ(policy_for("b.test").level, TlsLevel::encrypt);
    EXPECT_EQ(policy_for("mx.b.test").level, TlsLevel::none);
    EXPECT_EQ(policy_for("a.deep.b.test").level, TlsLevel::verify);
    EXPECT_EQ(policy_for("deep.b.test").level, TlsLevel::none);
    EXPECT_EQ(policy_for("c.test").level, TlsLevel::may);
    EXPECT_EQ(policy_for("[192.0.2.1]").level, TlsLevel::encrypt);
    EXPECT_EQ(policy_for("secure.test").match, (Names{"nexthop", "dot-nexthop"}));
    EXPECT_THROW(policy_for("relay.test"), FormatError);  // "goes-on" is no attribute
}

TEST_F(TlsPolicyTest, ALineWithAMistakeConcernsItsDestinationAlone) {
    write("b.test sometimes\nd.test none\n");
    EXPECT_EQ(policy_for("d.test").level, TlsLevel::none);
    try {
        (void)policy_for("b.test");
        FAIL();
    } catch (const FormatError& error) {
        EXPECT_TRUE(std::string(error.what()).starts_with(file_ + ":1: ")) << error.what();
    }
}

TEST_F(TlsPolicyTest, ATableThatCannotBeReadConcernsAll) {
    config_.remote.tls_policy = folder_ / "missing";
    EXPECT_THROW(policy_for("b.test"), FormatError);
}

TEST_F(TlsPolicyTest, AChangedTableIsReadAgain) {
    write("b.test encrypt\n");
    TlsPolicies policies(config_);
    EXPECT_EQ(policies.policy_for("b.test").level, TlsLevel::encrypt);
    write("b.test none\n");
    EXPECT_EQ(policies.policy_for("b.test").level, TlsLevel::none);
    std::filesystem::remove(file_);
    EXPECT_THROW(policies.policy_for("b.test"), FormatError);
    write("b.test verify\n");
    EXPECT_EQ(policies.policy_for("b.test").level, TlsLevel::verify);
}

TEST_F(TlsPolicyTest, MistakesInALine) {
    for (const std::string text :
         {"", "sometimes", "encrypt match=a.test", "verify match=", "verify match=a..test", "verify match",
          "fingerprint", "fingerprint match=abcd", "verify ciphers=high", "may match=nexthop",
          "verify match=a:"})
        EXPECT_FALSE(parse_tls_policy(text)) << text;
    EXPECT_EQ(parse_tls_policy("fingerprint match=" + digits + "|" + digits)->fingerprints.size(), 2U);
    std::string with_colons;
    for (int i = 0; i < 32; ++i) with_colons += i == 0 ? "AA" : ":AA";
    EXPECT_EQ(parse_tls_policy("fingerprint match=" + with_colons)->fingerprints, Names{digits});
}

TEST_F(TlsPolicyTest, WhatALevelMeansAtAHost) {
    TlsPolicies policies(config_);
    const MailHost host{"mx.b.test", 0, {}};
    const auto at_host = [&](const std::string& line) {
        return *policies.tls_for(*parse_tls_policy(line), "b.test", host);
    };
    EXPECT_EQ(at_host("none").use, Use::never);
    EXPECT_EQ(at_host("may").use, Use::if_offered);
    EXPECT_EQ(at_host("may").peer.server_name, "mx.b.test");
    EXPECT_EQ(at_host("encrypt").use, Use::required);
    EXPECT_EQ(at_host("encrypt").peer.check, Check::none);
    EXPECT_EQ(at_host("verify").peer.check, Check::names);
    EXPECT_EQ(at_host("verify").peer.names, Names{"mx.b.test"});
    EXPECT_EQ(at_host("verify match=nexthop:dot-nexthop:x.test:.y.test:hostname").peer.names,
              (Names{"b.test", ".b.test", "x.test", ".y.test", "mx.b.test"}));
    EXPECT_EQ(at_host("fingerprint match=" + digits).peer.check, Check::fingerprint);
}

TEST_F(TlsPolicyTest, AnAddressIsCheckedAsSuch) {
    TlsPolicies policies(config_);
    const auto tls = *policies.tls_for(*parse_tls_policy("verify"), "[192.0.2.1]", {"[192.0.2.1]", 0, {}});
    EXPECT_EQ(tls.peer.names, Names{"192.0.2.1"});
}

/// As a source such as MTA-STS has it.
class OneSource : public TlsPolicySource {
  public:
    explicit OneSource(TlsPolicy policy) : policy_(std::move(policy)) {}
    std::optional<TlsPolicy> policy_for(const std::string& next_hop) override {
        if (next_hop != "b.test") return std::nullopt;
        return policy_;
    }

  private:
    TlsPolicy policy_;
};

TEST_F(TlsPolicyTest, ASourceIsAskedAfterTheTableAndMayNameTheHosts) {
    OneSource source({.level = TlsLevel::verify, .mx_patterns = {"*.b.test"}, .name = "sts"});
    write("table.test none\n");
    TlsPolicies policies(config_);
    policies.add(source);
    EXPECT_EQ(policies.policy_for("c.test").name, "may");
    EXPECT_EQ(policies.policy_for("table.test").name, "none");
    const TlsPolicy policy = policies.policy_for("b.test");
    EXPECT_EQ(policy.name, "sts");
    EXPECT_TRUE(policies.tls_for(policy, "b.test", {"mx.b.test", 0, {}}));
    EXPECT_FALSE(policies.tls_for(policy, "b.test", {"mx.evil.test", 0, {}}));
    TlsPolicy tested = policy;
    tested.is_testing = true;
    EXPECT_EQ(policies.tls_for(tested, "b.test", {"mx.evil.test", 0, {}})->use, Use::if_offered);
    write("b.test encrypt\n");
    EXPECT_EQ(policies.policy_for("b.test").name, "encrypt");
}

TEST_F(TlsPolicyTest, ASourceAsksForMoreThanTheOptionAndNeverForLess) {
    OneSource enforced({.level = TlsLevel::verify, .mx_patterns = {"mx.b.test"}, .name = "sts"});
    OneSource tested({.level = TlsLevel::verify, .is_testing = true, .name = "sts-testing"});
    const auto name_of = [this](TlsLevel option, OneSource& source) {
        config_.remote.tls = option;
        TlsPolicies policies(config_);
        policies.add(source);
        return policies.policy_for("b.test").name;
    };
    EXPECT_EQ(name_of(TlsLevel::may, tested), "sts-testing");
    EXPECT_EQ(name_of(TlsLevel::dane, tested), "sts-testing");
    EXPECT_EQ(name_of(TlsLevel::encrypt, enforced), "sts");
    EXPECT_EQ(name_of(TlsLevel::verify, enforced), "sts");
    for (const TlsLevel option : {TlsLevel::encrypt, TlsLevel::verify, TlsLevel::dane_only, TlsLevel::none})
        EXPECT_EQ(name_of(option, tested), to_string(option)) << "a policy that is tested sends in the clear";
    EXPECT_EQ(name_of(TlsLevel::dane_only, enforced), "dane-only");
}

class DanePolicyTest : public TlsPolicyTest {
  protected:
    using Status = DaneRecords::Status;
    Result<ClientTls> tls(const std::string& line, const DaneRecords& dane) {
        return policies_.tls_for(*parse_tls_policy(line), "b.test", {"mx.b.test", 0, {}}, dane);
    }

    TlsPolicies policies_{config_};
    const TlsaRecord usable_{3, 1, 1, std::string(32, 'x')};
    const TlsaRecord unusable_{1, 1, 1, std::string(32, 'x')};
};

TEST_F(DanePolicyTest, UsableRecordsAreWhatCounts) {
    for (const std::string level : {"dane", "dane-only"}) {
        const auto found = *tls(level, {Status::found, {unusable_, usable_}, "end.test"});
        EXPECT_EQ(found.use, Use::required);
        EXPECT_EQ(found.peer.check, Check::dane);
        EXPECT_EQ(found.peer.server_name, "end.test");
        EXPECT_EQ(found.peer.names, (Names{"mx.b.test", "b.test"}));
        EXPECT_EQ(found.peer.tlsa, std::vector<TlsaRecord>{usable_});
    }
}

TEST_F(DanePolicyTest, WithoutUsableRecordsTlsIsRequired) {
    const DaneRecords records{Status::found, {unusable_}, "mx.b.test"};
    EXPECT_EQ(tls("dane", records)->use, Use::required);
    EXPECT_EQ(tls("dane", records)->peer.check, Check::none);
    EXPECT_FALSE(tls("dane-only", records));
}

TEST_F(DanePolicyTest, WithoutRecordsDaneIsMay) {
    EXPECT_EQ(tls("dane", {})->use, Use::if_offered);
    EXPECT_EQ(tls("dane", {})->policy, "may");
    EXPECT_FALSE(tls("dane-only", {}));
}

TEST_F(DanePolicyTest, AHostOfWhichDnsDoesNotSayIsNotUsed) {
    EXPECT_FALSE(tls("dane", {Status::temporary, {}, "mx.b.test", "SERVFAIL"}));
}

TEST_F(DanePolicyTest, RequiretlsNeedsAHostThatIsConfirmedAndVerified) {
    const TlsPolicy policy = policies_.policy_for("b.test", TlsWish::required);
    MailHost host{"mx.b.test", 0, {}};
    EXPECT_FALSE(policies_.tls_for(policy, "b.test", host));
    host.is_confirmed = true;
    EXPECT_EQ(policies_.tls_for(policy, "b.test", host)->use, Use::required);
    EXPECT_EQ(policies_.tls_for(policy, "b.test", host)->peer.check, Check::names);
    EXPECT_FALSE(policies_.tls_for(policy, "b.test", host, {Status::found, {unusable_}, "mx.b.test"}));
    EXPECT_EQ(policies_.tls_for(policy, "b.test", host, {Status::found, {usable_}, "mx.b.test"})->peer.check,
              Check::dane);
}

TEST_F(DanePolicyTest, WhatADomainWantsCanBeWaivedAndWhatThisHostWantsCannot) {
    OneSource source({.level = TlsLevel::verify, .name = "sts"});
    policies_.add(source);
    EXPECT_EQ(policies_.policy_for("b.test", TlsWish::waived).level, TlsLevel::may);
    config_.remote.tls = TlsLevel::dane;
    EXPECT_FALSE(TlsPolicies::needs_dane_records(policies_.policy_for("b.test", TlsWish::waived)));
    config_.remote.tls = TlsLevel::encrypt;
    EXPECT_EQ(policies_.policy_for("b.test", TlsWish::waived).level, TlsLevel::encrypt);
}

TEST_F(DanePolicyTest, OtherSourcesAreForHostsWithoutRecords) {
    OneSource source({.level = TlsLevel::verify, .mx_patterns = {"mx.b.test"}, .name = "sts"});
    config_.remote.tls = TlsLevel::dane;
    policies_.add(source);
    const TlsPolicy policy = policies_.policy_for("b.test");
    EXPECT_TRUE(TlsPolicies::needs_dane_records(policy));
    const MailHost host{"other.b.test", 0, {}};
    EXPECT_FALSE(policies_.tls_for(policy, "b.test", host));
    EXPECT_TRUE(policies_.tls_for(policy, "b.test", host, {Status::found, {usable_}, "other.b.test"}));
}

TEST(MxPatterns, AStarIsOneLabel) {
    EXPECT_TRUE(matches_mx_pattern("mx.b.test", "mx.b.test"));
    EXPECT_TRUE(matches_mx_pattern("mx.b.test", "*.b.test"));
    EXPECT_FALSE(matches_mx_pattern("a.mx.b.test", "*.b.test"));
    EXPECT_FALSE(matches_mx_pattern("b.test", "*.b.test"));
    EXPECT_FALSE(matches_mx_pattern(".b.test", "*.b.test"));
    EXPECT_FALSE(matches_mx_pattern("mxb.test", "*.b.test"));
}

}  // namespace
}  // namespace postoffice
