#include "postoffice/outbound/tls_results.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t most_octets = 32 << 20;  // of the results of a day
constexpr std::size_t longest_policy = 4096;

/// The policy comes from another domain, and may be as long as it likes.
void limit(std::vector<std::string>& lines) {
    std::size_t size = 0;
    std::size_t count = 0;
    while (count < lines.size() && (size += lines[count].size()) <= longest_policy) ++count;
    lines.resize(count);
}

/// "3 1 1 0A1B…" (RFC 6698 section 2.2).
std::string tlsa_text(const TlsaRecord& record) {
    std::string text = fmt::format("{} {} {} ", record.usage, record.selector, record.matching_type);
    for (const char c : record.data) text += fmt::format("{:02X}", static_cast<std::uint8_t>(c));
    return text;
}

std::string line_of(const TlsResult& result, std::uint64_t count) {
    const nlohmann::json line = {
        {"domain", result.domain},   {"type", result.policy_type}, {"policy", result.policy},
        {"mx", result.mx_patterns},  {"failure", result.failure},  {"host", result.host},
        {"address", result.address}, {"source", result.source},    {"count", count}};
    return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

void add_line(TlsCounts& counts, std::string_view text) try {
    const nlohmann::json line = nlohmann::json::parse(text);
    TlsResult result{line.at("domain"),  line.at("type"), line.at("policy"),  line.at("mx"),
                     line.at("failure"), line.at("host"), line.at("address"), line.at("source")};
    counts[std::move(result)] += line.at("count").get<std::uint64_t>();
} catch (const nlohmann::json::exception&) {
    // A write that a full disk or a crash has cut.
}

}  // namespace

TlsResult tls_result_under(const std::string& domain, const TlsPolicy& policy, const DaneRecords& dane) {
    TlsResult result{domain, "no-policy-found"};
    if (dane.status == DaneRecords::Status::found) {
        result.policy_type = "tlsa";
        for (const TlsaRecord& record : dane.records) result.policy.push_back(tlsa_text(record));
    } else if (!policy.text.empty()) {
        result.policy_type = "sts";
        result.policy = policy.text;
        result.mx_patterns = policy.mx_patterns;
    }
    return result;
}

void TlsResults::note(TlsResult result) {
    limit(result.policy);
    limit(result.mx_patterns);
    ++counts_[std::move(result)];
}

void TlsResults::write() try {
    if (counts_.empty()) return;
    std::string text;
    for (const auto& [result, count] : std::exchange(counts_, {})) text += line_of(result, count);
    if (::mkdir(folder_.c_str(), 0750) != 0 && errno != EEXIST) throw_errno(folder_);
    const std::string day = rfc3339_utc(now_unix()).substr(0, 10);
    const Fd file = disk::open(folder_ + "/" + day, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0640);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) throw_errno(folder_);
    if (static_cast<std::size_t>(status.st_size) < most_octets) disk::write_all(file.get(), text);
} catch (const std::system_error& error) {
    log_event("", "tls-report-failed", {{"reason", in_plain_words(error)}});
}

std::vector<TlsResultDay> days_of_tls_results(const std::string& folder) {
    std::vector<TlsResultDay> days;
    std::error_code none;
    for (const auto& file : std::filesystem::directory_iterator(folder, none))
        if (const auto begin = parse_rfc3339_utc(file.path().filename().string() + "T00:00:00Z"))
            days.push_back({*begin, file.path()});
    return days;
}

TlsCounts read_tls_results(const std::string& path) {
    const Fd file = disk::open(path, O_RDONLY | O_NOFOLLOW);
    const std::string text = disk::read_all(file.get(), 2 * most_octets);
    TlsCounts counts;
    for (const std::string_view line : split(text, '\n'))
        if (!line.empty()) add_line(counts, line);
    return counts;
}

}  // namespace postoffice
