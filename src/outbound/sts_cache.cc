#include "postoffice/outbound/sts_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t longest_entry = longest_sts_policy + 200;

/// A name of which no part leads out of the folder.
bool is_file_name(const std::string& domain) {
    return !domain.empty() && domain.size() <= 253 && domain.front() != '.' &&
           domain.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == domain.npos;
}

std::optional<UnixTime> parse_time(std::string_view text) {
    const auto number = parse_number(text);
    return number && *number <= INT64_MAX ? std::optional(static_cast<UnixTime>(*number)) : std::nullopt;
}

/// The value of the line "NAME VALUE" at the front of `text`.
std::optional<std::string_view> read_line(std::string_view& text, std::string_view name) {
    std::string_view line = read_until(text, '\n');
    return read_until(line, ' ') == name ? std::optional(line) : std::nullopt;
}

std::optional<StsCacheEntry> parse(std::string_view text) {
    const auto id = read_line(text, "id");
    const auto fetched = read_line(text, "fetched"), failed = read_line(text, "failed");
    if (!id || !fetched || !failed || !read_until(text, '\n').empty()) return std::nullopt;
    const auto fetched_at = parse_time(*fetched), failed_at = parse_time(*failed);
    if (!fetched_at || !failed_at) return std::nullopt;
    return StsCacheEntry{std::string(*id), *fetched_at, *failed_at, std::string(text)};
}

}  // namespace

std::optional<StsPolicy> StsCacheEntry::valid_policy(UnixTime now) const {
    if (fetched == 0 || now < fetched) return std::nullopt;
    const auto parsed = parse_sts_policy(policy);
    if (!parsed || now - fetched >= parsed->max_age.count()) return std::nullopt;
    return *parsed;
}

std::optional<StsCacheEntry> StsCache::find(const std::string& domain) const {
    if (!is_file_name(domain)) return std::nullopt;
    try {
        const Fd file = disk::open_if_exists(folder_ + "/" + domain, O_RDONLY | O_NOFOLLOW);
        if (!file) return std::nullopt;
        return parse(disk::read_all(file.get(), longest_entry));
    } catch (const std::system_error&) {
        return std::nullopt;
    }
}

void StsCache::store(const std::string& domain, const StsCacheEntry& entry) const {
    if (!is_file_name(domain)) throw_errno(EINVAL, "a policy for " + printable(domain));
    if (::mkdir(folder_.c_str(), 0750) != 0 && errno != EEXIST) throw_errno(folder_);
    const std::string path = folder_ + "/" + domain;
    const std::string fresh = fmt::format("{}/.{}.{}", folder_, domain, ::getpid());
    const Fd file = disk::open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0640);
    disk::write_all(file.get(), fmt::format("id {}\nfetched {}\nfailed {}\n\n{}", entry.id, entry.fetched,
                                            entry.failed, entry.policy));
    disk::sync(file.get());
    disk::rename(fresh, path);
}

void StsCache::remove_expired(UnixTime now) const {
    constexpr UnixTime day = 86400;
    std::error_code none;
    for (const auto& file : std::filesystem::directory_iterator(folder_, none)) {
        struct stat status {};
        if (::lstat(file.path().c_str(), &status) != 0 || now - status.st_mtime < day) continue;
        const auto entry = find(file.path().filename());
        if (!entry || !entry->valid_policy(now)) (void)disk::unlink_if_exists(file.path());
    }
}

}  // namespace postoffice
