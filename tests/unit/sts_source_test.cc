// When a policy of MTA-STS is fetched, how long it holds, and what a failure does to it (RFC 8461
// sections 3.3, 5.1).
#include "postoffice/outbound/sts_source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace postoffice {
namespace {

std::string policy(const std::string& mode, long max_age = 86400) {
    return "version: STSv1\nmode: " + mode + "\nmx: mx.example.org\nmax_age: " + std::to_string(max_age) +
           "\n";
}

class StsSourceTest : public testing::Test {
  protected:
    StsSourceTest() {
        char name[] = "/tmp/postoffice-sts-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~StsSourceTest() override { std::filesystem::remove_all(folder_); }

    StsCache cache() const { return StsCache(folder_ + "/sts"); }

    /// What a new process makes of the domain.
    std::optional<TlsPolicy> ask(const std::string& next_hop = "example.org") {
        StsSource source(
            cache(),
            [this](const std::string& name) {
                questions_.push_back(name);
                RecordLookup answer{status_, {}, ""};
                for (const std::string& text : records_) {
                    answer.records.emplace_back();
                    answer.records.back().text = text;
                }
                return answer;
            },
            [this](const std::string& domain) -> Result<std::string> {
                fetched_.push_back(domain);
                return file_.empty() ? Result<std::string>(Problem{"no file"}) : Result<std::string>(file_);
            });
        return source.policy_for(next_hop);
    }

    std::string folder_;
    DnsStatus status_ = DnsStatus::found;
    std::vector<std::string> records_{"v=STSv1; id=1"};
    std::string file_ = policy("enforce");
    std::vector<std::string> questions_{}, fetched_{};
};

TEST_F(StsSourceTest, APolicyInForceIsALevelOfTls) {
    const auto found = ask();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->level, TlsLevel::verify);
    EXPECT_EQ(found->mx_patterns, std::vector<std::string>{"mx.example.org"});
    EXPECT_EQ(found->name, "sts");
    EXPECT_FALSE(found->is_testing);
    EXPECT_EQ(questions_, std::vector<std::string>{"_mta-sts.example.org"});
    EXPECT_EQ(fetched_, std::vector<std::string>{"example.org"});
}

TEST_F(StsSourceTest, APolicyThatIsTestedHoldsNoMailUp) {
    file_ = policy("testing");
    const auto found = ask();
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->is_testing);
}

TEST_F(StsSourceTest, WithoutARecordNothingIsFetched) {
    records_ = {"v=spf1 -all"};
    EXPECT_FALSE(ask());
    EXPECT_TRUE(fetched_.empty());
}

TEST_F(StsSourceTest, TheSameIdIsNotFetchedAgain) {
    (void)ask();
    EXPECT_TRUE(ask());
    EXPECT_EQ(fetched_.size(), 1U);
    records_ = {"v=STSv1; id=2"};
    file_ = policy("none");
    EXPECT_FALSE(ask()) << "the new policy counts";
    EXPECT_EQ(fetched_.size(), 2U);
}

TEST_F(StsSourceTest, AKnownPolicyHoldsWithoutDnsAndWithoutAFile) {
    (void)ask();
    records_.clear();
    status_ = DnsStatus::temporary;
    EXPECT_TRUE(ask());
    status_ = DnsStatus::found;
    records_ = {"v=STSv1; id=2"};
    file_ = "";
    EXPECT_TRUE(ask()) << "the new one cannot be fetched";
    EXPECT_EQ(fetched_.size(), 2U);
}

TEST_F(StsSourceTest, AFailedFetchIsNotRepeatedForFiveMinutes) {
    file_ = "";
    EXPECT_FALSE(ask());
    EXPECT_FALSE(ask());
    EXPECT_EQ(fetched_.size(), 1U);
    auto entry = cache().find("example.org");
    ASSERT_TRUE(entry);
    entry->failed -= StsSource::pause;
    cache().store("example.org", *entry);
    file_ = policy("enforce");
    EXPECT_TRUE(ask());
    EXPECT_EQ(fetched_.size(), 2U);
}

TEST_F(StsSourceTest, APolicyThatIsOverHoldsNoLonger) {
    const UnixTime now = now_unix();
    records_.clear();
    cache().store("example.org", {"1", now - 99, 0, policy("enforce", 100)});
    EXPECT_TRUE(ask());
    cache().store("example.org", {"1", now - 101, 0, policy("enforce", 100)});
    EXPECT_FALSE(ask());
    cache().store("example.org", {"1", now + 1000, 0, policy("enforce", 86400)});
    EXPECT_FALSE(ask()) << "the clock went back: a policy of the future is none";
}

TEST_F(StsSourceTest, APolicyIsRenewedFromTheMiddleOfItsTime) {
    const UnixTime now = now_unix();
    cache().store("example.org", {"1", now - 51, 0, policy("enforce", 100)});
    file_ = policy("enforce", 1000);
    EXPECT_TRUE(ask());
    EXPECT_EQ(fetched_.size(), 1U);
    EXPECT_EQ(cache().find("example.org")->policy, file_);
}

TEST_F(StsSourceTest, TheDomainIsAskedForByItsALabels) {
    EXPECT_TRUE(ask("bücher.example"));
    EXPECT_EQ(questions_, std::vector<std::string>{"_mta-sts.xn--bcher-kva.example"});
    EXPECT_EQ(fetched_, std::vector<std::string>{"xn--bcher-kva.example"});
    for (const char* other : {"[192.0.2.1]", "localhost", "", "../../etc"}) EXPECT_FALSE(ask(other)) << other;
}

TEST_F(StsSourceTest, ADamagedFileIsNoPolicy) {
    (void)ask();
    records_.clear();
    std::ofstream(folder_ + "/sts/example.org") << "id 1\nfetched yesterday\n";
    EXPECT_FALSE(ask());
    EXPECT_FALSE(cache().find("../sts/example.org"));
    EXPECT_THROW(cache().store("../example.org", {}), std::system_error);
}

TEST_F(StsSourceTest, AStoredEntryIsReadAsItWas) {
    const StsCacheEntry entry{"id1", 1790000000, 1790000001, "version: STSv1\r\nmode: none\r\n"};
    cache().store("a.example", entry);
    EXPECT_EQ(cache().find("a.example"), entry);
}

TEST(StsCacheTest, OnlyEntriesOfNoUseAreRemoved) {
    char name[] = "/tmp/postoffice-sts-XXXXXX";
    const std::string folder = ::mkdtemp(name);
    const StsCache cache(folder);
    const UnixTime now = now_unix();
    constexpr UnixTime day = 86400;
    cache.store("holds.test", {"1", now, 0, policy("enforce", 3 * day)});
    cache.store("expired.test", {"1", now, 0, policy("enforce", day)});
    cache.store("failed.test", {"", 0, now, ""});
    std::ofstream(folder + "/damaged.test") << "?";
    std::ofstream(folder + "/.half.test.17") << "id";
    cache.remove_expired(now + day / 2);
    EXPECT_TRUE(cache.find("failed.test")) << "its domain is not asked again for some time";
    cache.remove_expired(now + 2 * day);
    std::vector<std::string> left;
    for (const auto& file : std::filesystem::directory_iterator(folder))
        left.push_back(file.path().filename());
    EXPECT_EQ(left, std::vector<std::string>{"holds.test"});
    std::filesystem::remove_all(folder);
    cache.remove_expired(now);  // without a folder, too
}

}  // namespace
}  // namespace postoffice
