// Reports about TLS: what is counted, whom they are for, and their form (RFC 8460).
#include "postoffice/outbound/tls_report.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "../support/temporary_folder.h"
#include "postoffice/base/gzip.h"

namespace postoffice {
namespace {

using Json = nlohmann::json;

std::string addresses_in(const std::vector<std::string>& records) {
    std::string text;
    for (const Address& address : tls_report_addresses(records)) text += address.to_string() + " ";
    return text;
}

TEST(TlsReportAddresses, AreThoseOfMail) {
    for (const auto& [record, addresses] : std::initializer_list<std::pair<const char*, const char*>>{
             {"v=TLSRPTv1; rua=mailto:reports@example.com", "reports@example.com "},
             {"v=TLSRPTv1;rua=mailto:a@b.test,https://b.test/v1/tlsrpt, mailto:c@d.test;",
              "a@b.test c@d.test "},
             {"v=TLSRPTv1 ; x=y ; rua = MAILTO:a%2Bb@b.test?subject=x", "a+b@b.test "},
             {"v=TLSRPTv1;rua=https://b.test/v1/tlsrpt", ""},
             {"v=TLSRPTv1;rua=mailto:bob,mailto:%,mailto:%4,mailto:%zz@b.test,mailto:", ""},
             {"v=TLSRPTv2;rua=mailto:a@b.test", ""},
             {"v=spf1 -all", ""},
             {"", ""},
         })
        EXPECT_EQ(addresses_in({record}), addresses) << record;
    EXPECT_EQ(addresses_in({"v=TLSRPTv1;rua=mailto:a@b.test", "v=TLSRPTv1;rua=mailto:c@b.test"}), "")
        << "section 3: more than one record is none";
    EXPECT_EQ(addresses_in({"v=spf1 -all", "v=TLSRPTv1;rua=mailto:a@b.test"}), "a@b.test ");
    std::string many = "v=TLSRPTv1;rua=mailto:a@b.test";
    for (int n = 0; n < 9; ++n) many += ",mailto:a@b.test";
    EXPECT_EQ(tls_report_addresses({many}).size(), 5U);
}

TlsResult failed_with(TlsResult result, const std::string& failure) {
    result.failure = failure;
    result.host = "mx.example.com";
    result.address = "2001:db8::2";
    result.source = "2001:db8::1";
    return result;
}

TEST(TlsReport, HasTheFieldsOfSection4) {
    const TlsPolicy sts{.level = TlsLevel::verify,
                        .mx_patterns = {"*.example.com"},
                        .name = "sts",
                        .text = {"version: STSv1", "mode: testing", "mx: *.example.com", "max_age: 86400"}};
    const DaneRecords dane{DaneRecords::Status::found, {{3, 1, 1, "\x01\xff"}}};
    const TlsResult by_sts = tls_result_under("example.com", sts, {});
    const TlsResult by_dane = tls_result_under("example.com", sts, dane);
    const TlsResult without = tls_result_under("example.com", TlsPolicy{}, {});
    TlsReport report{"example.com", "host.test", Address("postmaster", "host.test"), 1459468800, {}};
    report.counts = {{by_sts, 5326},
                     {failed_with(by_sts, "certificate-expired"), 100},
                     {failed_with(by_sts, "starttls-not-supported"), 200},
                     {by_dane, 1},
                     {failed_with(without, "starttls-not-supported"), 2}};
    const Json json = Json::parse(report.to_json());
    EXPECT_EQ(json.at("organization-name"), "host.test");
    EXPECT_EQ(json.at("date-range"),
              (Json{{"start-datetime", "2016-04-01T00:00:00Z"}, {"end-datetime", "2016-04-01T23:59:59Z"}}));
    EXPECT_EQ(json.at("contact-info"), "postmaster@host.test");
    EXPECT_EQ(json.at("report-id"), "2016-04-01_example.com@host.test");
    ASSERT_EQ(json.at("policies").size(), 3U);
    const auto policy = [&](const std::string& type) {
        for (const Json& one : json.at("policies"))
            if (one.at("policy").at("policy-type") == type) return one;
        return Json();
    };
    EXPECT_EQ(policy("sts").at("policy"), (Json{{"policy-type", "sts"},
                                                {"policy-string", sts.text},
                                                {"policy-domain", "example.com"},
                                                {"mx-host", {"*.example.com"}}}));
    EXPECT_EQ(policy("sts").at("summary"),
              (Json{{"total-successful-session-count", 5326}, {"total-failure-session-count", 300}}));
    const Json details = policy("sts").at("failure-details");
    ASSERT_EQ(details.size(), 2U);
    EXPECT_EQ(details[0], (Json{{"result-type", "certificate-expired"},
                                {"sending-mta-ip", "2001:db8::1"},
                                {"receiving-mx-hostname", "mx.example.com"},
                                {"receiving-ip", "2001:db8::2"},
                                {"failed-session-count", 100}}));
    EXPECT_EQ(policy("tlsa").at("policy").at("policy-string"), Json{"3 1 1 01FF"});
    EXPECT_FALSE(policy("tlsa").contains("failure-details"));
    EXPECT_EQ(policy("no-policy-found").at("policy"),
              (Json{{"policy-type", "no-policy-found"}, {"policy-domain", "example.com"}}));
    EXPECT_EQ(report.file_name(), "host.test!example.com!1459468800!1459555199.json.gz");
}

TEST(TlsResults, OfSeveralProcessesAddUp) {
    const test::TemporaryFolder folder;
    const std::string place = folder.path() + "/reports";
    EXPECT_TRUE(days_of_tls_results(place).empty());
    const TlsResult result = failed_with(tls_result_under("a.test", {}, {}), "certificate-not-trusted");
    TlsResults one(place), other(place);
    one.note(result);
    one.note(result);
    other.note(result);
    other.note(tls_result_under("b.test", {}, {}));
    one.write();
    other.write();
    one.write();  // nothing is left
    std::ofstream(place + "/not-a-day") << "x";
    const auto days = days_of_tls_results(place);
    ASSERT_EQ(days.size(), 1U);
    EXPECT_EQ(days[0].begin % 86400, 0);
    std::ofstream(days[0].file, std::ios::app) << "{\"domain\":\"cut\nnull\n";
    const TlsCounts counts = read_tls_results(days[0].file);
    ASSERT_EQ(counts.size(), 2U);
    EXPECT_EQ(counts.at(result), 3U);
}

TEST(TlsResults, OfAPolicyWithoutEndAreCut) {
    const test::TemporaryFolder folder;
    TlsResults results(folder.path());
    TlsPolicy policy;
    policy.text.assign(1000, std::string(100, 'x'));
    for (int n = 0; n < 200; ++n) {
        TlsResult result = tls_result_under("a.test", policy, {});
        result.host = std::to_string(n);
        results.note(std::move(result));
    }
    results.write();
    const auto days = days_of_tls_results(folder.path());
    ASSERT_EQ(days.size(), 1U);
    EXPECT_LT(std::filesystem::file_size(days[0].file), 200U * 5000);
    EXPECT_EQ(read_tls_results(days[0].file).size(), 200U);
}

TEST(GzipFile, HasSizeAndChecksum) {
    using namespace std::string_literals;
    EXPECT_EQ(gzip_file("123456789"), "\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x09\0\xf6\xff"s + "123456789" +
                                          "\x26\x39\xf4\xcb\x09\0\0\0"s);
    EXPECT_EQ(gzip_file("").size(), 10U + 5 + 8);
    EXPECT_EQ(gzip_file(std::string(70000, 'x')).size(), 10U + 2 * 5 + 70000 + 8);
}

}  // namespace
}  // namespace postoffice
