#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <deque>
#include <string>
#include <system_error>

#include "postoffice/base/disk.h"
#include "postoffice/base/text.h"
#include "postoffice/config/config_file.h"

namespace postoffice {

namespace {

constexpr int missing = 66;   // EX_NOINPUT
constexpr int not_safe = 72;  // EX_OSFILE

/// Why others than root and `user` could change this file or folder; "" if they could not.
std::string weakness(const struct stat& status, uid_t user) {
    if (status.st_uid != 0 && status.st_uid != user)
        return fmt::format("belongs to uid {}, not to {}", status.st_uid, user == 0 ? "root" : "root or you");
    if (S_ISLNK(status.st_mode)) return "";  // the mode of a link means nothing
    const bool sticky_folder = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX);
    if (sticky_folder) return "";
    if (status.st_mode & S_IWOTH) return "can be written by all users";
    const bool own_group = status.st_gid == 0 || (user != 0 && status.st_gid == ::getgid());
    if ((status.st_mode & S_IWGRP) && !own_group)
        return fmt::format("can be written by group {}", status.st_gid);
    return "";
}

/// Walks the path as the kernel would, one component at a time, links included, and looks at each.
class PathWalk {
  public:
    explicit PathWalk(uid_t user) : user_(user) {}

    /// The problem, or "" with `resolved` set to the file without links.
    TrustedFile walk(const std::string& path, std::string& resolved) {
        std::string start = path;
        if (path.empty() || path[0] != '/') {
            std::array<char, PATH_MAX> folder{};
            if (!::getcwd(folder.data(), folder.size())) return errno_problem("current directory");
            start = std::string(folder.data()) + "/" + path;
        }
        push(start);
        if (auto problem = look("/"); problem.exit_code) return problem;
        while (!left_.empty()) {
            auto part = std::move(left_.front());
            left_.pop_front();
            if (part.empty() || part == ".") continue;
            if (part == "..") {
                at_.erase(at_.empty() ? 0 : at_.rfind('/'));
                continue;
            }
            if (auto problem = step(at_ + "/" + part); problem.exit_code) return problem;
        }
        resolved = at_.empty() ? "/" : at_;
        return {};
    }

  private:
    void push(std::string_view path) {
        const auto parts = split(path, '/');
        left_.insert(left_.begin(), parts.begin(), parts.end());
    }

    TrustedFile step(const std::string& next) {
        if (auto problem = look(next); problem.exit_code) return problem;
        if (!S_ISLNK(status_.st_mode)) {
            at_ = next;
            return {};
        }
        if (++links_ > 40) return {"", not_safe, "too many symbolic links"};
        std::array<char, PATH_MAX> target{};
        const auto length = ::readlink(next.c_str(), target.data(), target.size());
        if (length < 0 || static_cast<std::size_t>(length) == target.size()) return errno_problem(next);
        const std::string_view text(target.data(), static_cast<std::size_t>(length));
        if (text.starts_with('/')) at_.clear();
        push(text);
        return {};
    }

    TrustedFile look(const std::string& path) {
        if (::lstat(path.c_str(), &status_) != 0) return errno_problem(path);
        if (const auto weak = weakness(status_, user_); !weak.empty())
            return {"", not_safe, fmt::format("{} {}", printable(path), weak)};
        return {};
    }

    static TrustedFile errno_problem(const std::string& path) {
        return {"", missing, fmt::format("{}: {}", printable(path), std::strerror(errno))};
    }

    uid_t user_;
    std::deque<std::string> left_;
    std::string at_;  ///< resolved so far, without '/' at its end
    struct stat status_ {};
    int links_ = 0;
};

}  // namespace

TrustedFile find_trusted_file(const std::string& path, uid_t user) {
    std::string resolved;
    if (path.empty() || path.find('\0') != path.npos) return {"", missing, "no file name"};
    if (auto problem = PathWalk(user).walk(path, resolved); problem.exit_code) return problem;
    struct stat status {};
    if (::lstat(resolved.c_str(), &status) != 0) return {"", missing, std::generic_category().message(errno)};
    if (!S_ISREG(status.st_mode)) return {"", not_safe, "is not a regular file"};
    return {};
}

TrustedFile read_trusted_file(const std::string& path, uid_t user, std::size_t most) {
    // A name with a NUL would be a shorter name for the kernel.
    if (path.empty() || path.find('\0') != path.npos) return {"", missing, "no file name"};
    try {
        std::string resolved;
        if (auto problem = PathWalk(user).walk(path, resolved); problem.exit_code) return problem;
        // O_NONBLOCK: a FIFO in this place must not hold us up before fstat() tells what it is.
        const auto file = disk::open(resolved, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        struct stat status {};
        if (::fstat(file.get(), &status) != 0) return {"", missing, std::generic_category().message(errno)};
        if (!S_ISREG(status.st_mode)) return {"", not_safe, "is not a regular file"};
        if (const auto weak = weakness(status, user); !weak.empty()) return {"", not_safe, weak};
        if (status.st_size > static_cast<off_t>(most))
            return {"", not_safe, fmt::format("is larger than {} MB", most >> 20)};
        return {disk::read_all(file.get(), most), 0, ""};
    } catch (const std::system_error& error) {
        return {"", missing, error.code().message()};
    }
}

}  // namespace postoffice
