#include "postoffice/net/tls_key.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "postoffice/base/accounts.h"

namespace postoffice {
namespace {

/// Empty: no other account.
std::string readers(const struct stat& file) {
    if ((file.st_mode & S_IROTH) != 0) return "everybody";
    if ((file.st_mode & S_IRGRP) != 0 && file.st_gid != 0) return "group " + group_name(file.st_gid);
    if (file.st_uid != 0 && file.st_uid != ::geteuid()) return login_name(file.st_uid);
    return "";
}

}  // namespace

std::optional<std::string> exposure_of_key(const TlsConfig& config) {
    const std::string& path = config.key;
    struct stat file {};
    if (path.empty() || ::stat(path.c_str(), &file) != 0) return std::nullopt;
    const std::string who = readers(file);
    if (who.empty()) return std::nullopt;
    return fmt::format("{}: the key in it can be read by {}", path, who);
}

}  // namespace postoffice
