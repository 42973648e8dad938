#include "postoffice/outbound/tls_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

using Json = nlohmann::ordered_json;

constexpr UnixTime day = 86400;
constexpr std::size_t most_addresses = 5;

Json policy_of(const TlsReport& report, const TlsResult& result) {
    Json policy = {{"policy-type", result.policy_type}};
    if (!result.policy.empty()) policy["policy-string"] = result.policy;
    policy["policy-domain"] = report.domain;
    if (!result.mx_patterns.empty()) policy["mx-host"] = result.mx_patterns;
    return policy;
}

Json details_of(const TlsResult& result, std::uint64_t count) {
    Json details = {{"result-type", result.failure}};
    if (!result.source.empty()) details["sending-mta-ip"] = result.source;
    if (!result.host.empty()) details["receiving-mx-hostname"] = result.host;
    if (!result.address.empty()) details["receiving-ip"] = result.address;
    details["failed-session-count"] = count;
    return details;
}

/// Percent-encoded octets (RFC 3986 section 2.1) as themselves; nullopt if they are malformed.
std::optional<std::string> decoded(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            plain += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
        const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        if (low < 0) return std::nullopt;
        plain += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return plain;
}

/// RFC 6068; what stands behind a "?" is left out.
std::optional<Address> mailto_address(std::string_view uri) {
    constexpr std::string_view scheme = "mailto:";
    uri = trim(uri);
    if (!starts_with_ignoring_case(uri, scheme)) return std::nullopt;
    uri = uri.substr(scheme.size(), uri.find('?') - scheme.size());
    const auto text = decoded(uri);
    const auto address = text ? parse_addr_spec(*text) : Result<Address>(Problem{"malformed"});
    return address && address->is_qualified() ? std::optional(*address) : std::nullopt;
}

}  // namespace

std::string TlsReport::id() const {
    return fmt::format("{}_{}@{}", rfc3339_utc(begin).substr(0, 10), domain, submitter);
}

std::string TlsReport::file_name() const {
    return fmt::format("{}!{}!{}!{}.json.gz", submitter, domain, begin, begin + day - 1);
}

std::string TlsReport::subject() const {
    return fmt::format("Report Domain: {}\n\tSubmitter: {}\n\tReport-ID: <{}>", domain, submitter, id());
}

std::string TlsReport::to_json() const {
    Json policies = Json::array();
    const TlsResult* last = nullptr;
    for (const auto& [result, count] : counts) {  // in which results of one policy stand together
        const auto key = [](const TlsResult& r) { return std::tie(r.policy_type, r.policy, r.mx_patterns); };
        if (last == nullptr || key(*last) != key(result))
            policies.push_back({{"policy", policy_of(*this, result)},
                                {"summary",
                                 {{"total-successful-session-count", std::uint64_t{0}},
                                  {"total-failure-session-count", std::uint64_t{0}}}}});
        last = &result;
        Json& entry = policies.back();
        Json& total = entry["summary"][result.failure.empty() ? "total-successful-session-count"
                                                              : "total-failure-session-count"];
        total = total.get<std::uint64_t>() + count;
        if (!result.failure.empty()) entry["failure-details"].push_back(details_of(result, count));
    }
    const Json report = {
        {"organization-name", submitter},
        {"date-range",
         {{"start-datetime", rfc3339_utc(begin)}, {"end-datetime", rfc3339_utc(begin + day - 1)}}},
        {"contact-info", contact.to_string()},
        {"report-id", id()},
        {"policies", std::move(policies)}};
    return report.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<Address> tls_report_addresses(const std::vector<std::string>& records) {
    constexpr std::string_view version = "v=TLSRPTv1";
    std::vector<Address> addresses;
    bool is_known = false;
    for (const std::string& record : records) {
        std::string_view rest = record;
        if (trim(read_until(rest, ';')) != version) continue;
        if (std::exchange(is_known, true)) return {};
        while (!rest.empty()) {
            std::string_view value = trim(read_until(rest, ';'));
            if (!equals_ignoring_case(trim(read_until(value, '=')), "rua")) continue;
            for (const std::string_view uri : split(value, ','))
                if (const auto address = mailto_address(uri); address && addresses.size() < most_addresses)
                    addresses.push_back(*address);
        }
    }
    return addresses;
}

}  // namespace postoffice
