#include "postoffice/local/dot_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr UnixTime stale_age = 300;  // seconds, as for Debian's liblockfile; longer than a batch takes
constexpr std::size_t longest_content = 256;  // what is longer is no lock

/// "HOST postoffice\n"
std::string own_mark() {
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0) throw_errno("gethostname");
    return fmt::format("{} postoffice\n", host.data());
}

/// True if an agent of this host wrote it. All of them hold the locks of the kernel as long as theirs is
/// there, and now this process does: what is there was left by one that was killed, or could not remove it.
bool is_left_behind(const std::string& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return false;
    std::array<char, longest_content> buffer;
    std::string_view content(buffer.data(), disk::read_at(file.get(), buffer, 0));
    return parse_number(read_until(content, ' ')) && content == own_mark();
}

}  // namespace

bool DotLock::try_acquire() {
    if (is_held_ || path_.empty()) return true;
    const EffectiveGroup as_mailbox_group(group_);
    try {
        return create() || (remove_if_stale() && create());
    } catch (const std::system_error& error) {
        const int number = error.code().value();
        if (number == EACCES || number == EPERM || number == EROFS || number == ENAMETOOLONG) return true;
        throw;
    }
}

/// False if there is one.
bool DotLock::create() {
    // With its content at once: an empty one that a killed agent left could be that of another program.
    const Fd unnamed(
        ::open(path_.substr(0, path_.rfind('/') + 1).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
    if (unnamed) {
        disk::write_all(unnamed.get(), fmt::format("{} {}", ::getpid(), own_mark()));
        const std::string source = fmt::format("/proc/self/fd/{}", unnamed.get());
        is_held_ = ::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW) == 0;
        if (is_held_ || errno == EEXIST) return is_held_;
    }
    return create_by_name();
}

/// The same where a file system has no files without a name.
bool DotLock::create_by_name() {
    try {
        const Fd file = disk::open(path_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
        is_held_ = true;
        disk::write_all(file.get(), fmt::format("{} {}", ::getpid(), own_mark()));
        return true;
    } catch (const std::system_error& error) {
        if (error.code().value() == EEXIST) return false;
        if (is_held_) release();
        throw;
    }
}

/// True if there is none any more. Throws EPERM for a file that is no lock: then this mailbox has none.
bool DotLock::remove_if_stale() {
    struct stat status {};
    if (::lstat(path_.c_str(), &status) != 0) {
        if (errno == ENOENT) return true;
        throw_errno("stat " + path_);
    }
    const bool is_owners = status.st_uid == ::geteuid() || status.st_uid == 0;
    if (!S_ISREG(status.st_mode) || !is_owners || static_cast<std::size_t>(status.st_size) > longest_content)
        throw_errno(EPERM, path_);
    if (now_unix() - status.st_mtime <= stale_age && !is_left_behind(path_)) return false;
    disk::unlink_if_exists(path_);
    log_event("", "stale-lock-removed", {{"file", path_}});
    return true;
}

void DotLock::release() noexcept {
    if (!is_held_) return;
    is_held_ = false;
    try {
        const EffectiveGroup as_mailbox_group(group_);
        disk::unlink_if_exists(path_);
    } catch (const std::exception& error) {
        log_event("", "file-not-removed", {{"file", path_}, {"reason", in_plain_words(error)}});
    }
}

}  // namespace postoffice
