#include "postoffice/net/tls_key.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace postoffice {
namespace {

std::string group_name(gid_t gid) {
    const group* found = ::getgrgid(gid);
    return found != nullptr ? fmt::format("group {}", found->gr_name) : fmt::format("group {}", gid);
}

std::string user_name(uid_t uid) {
    const passwd* found = ::getpwuid(uid);
    return found != nullptr ? found->pw_name : fmt::format("user {}", uid);
}

/// Empty: no other account.
std::string readers(const struct stat& file) {
    if ((file.st_mode & S_IROTH) != 0) return "everybody";
    if ((file.st_mode & S_IRGRP) != 0 && file.st_gid != 0) return group_name(file.st_gid);
    if (file.st_uid != 0 && file.st_uid != ::geteuid()) return user_name(file.st_uid);
    return "";
}

}  // namespace

std::optional<std::string> exposure_of_key(const TlsConfig& config) {
    const std::string& path = config.key;
    struct stat file {};
    if (path.empty() || ::stat(path.c_str(), &file) != 0) return std::nullopt;
    const std::string others = readers(file);
    if (others.empty()) return std::nullopt;
    return fmt::format("{}: the key in it can be read by {}", path, others);
}

}  // namespace postoffice
