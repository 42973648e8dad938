// Linked with the unchanged objects into build/postoffice-faults. Every call that changes the spool or a
// mailbox, and every packet and reply that follows one, is a point at which a test can kill the process, or
// let the call fail. Points are counted over all processes of a host, in memory they share: the file named by
// POSTOFFICE_FAULTS, beside which the spool and the mailboxes lie. tests/support/faults.py is the other side.
// A file or folder whose path matches the pattern POSTOFFICE_SYNCS_NOT (fnmatch(3)) is never synced, and the
// program is told that it was.
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

/// The layout of the shared file. The trace is text, a line for each point: pid, what, inode, names.
struct Shared {
    std::atomic<std::uint32_t> mode;   ///< 0: only trace; 1: kill the process; otherwise the errno to give
    std::atomic<std::uint32_t> at;     ///< the point it happens at, from 1; once
    std::atomic<std::uint32_t> count;  ///< points passed since mode was set
    std::atomic<std::uint32_t> fired;
    std::atomic<std::uint32_t> traced;  ///< octets of trace in use
    char trace[64 * 1024];
};

constexpr std::uint32_t just_count = 0, kill_process = 1;

Shared* shared = nullptr;
std::string* folder =
    nullptr;  // with a slash at its end; never destroyed, since calls come until the very end

__attribute__((constructor)) void join() {
    const char* path = std::getenv("POSTOFFICE_FAULTS");
    if (path == nullptr) return;
    const int fd = ::open(path, O_RDWR | O_CLOEXEC);
    void* memory =
        fd < 0 ? MAP_FAILED : ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) std::abort();
    ::close(fd);
    const std::string_view name(path);
    folder = new std::string(name.substr(0, name.rfind('/') + 1));
    shared = static_cast<Shared*>(memory);
}

bool holds_mail(std::string_view path) {
    if (!path.starts_with(*folder)) return false;
    const std::string_view rest = path.substr(folder->size());
    return rest.starts_with("spool/") || rest == "spool" || rest.starts_with("mail/") || rest == "mail";
}

void trace(const char* what, ino_t inode, std::string_view names) {
    char line[2 * PATH_MAX];
    const auto room = static_cast<int>(PATH_MAX);
    const int size = std::snprintf(line, sizeof line, "%d %s %ju %.*s\n", static_cast<int>(::getpid()), what,
                                   static_cast<std::uintmax_t>(inode),
                                   std::min(room, static_cast<int>(names.size())), names.data());
    const auto length = static_cast<std::uint32_t>(size);
    const std::uint32_t start = shared->traced.fetch_add(length);
    if (start + length <= sizeof shared->trace) std::memcpy(shared->trace + start, line, length);
}

/// Counts the point; true if it is the one.
bool is_reached(const char* what, ino_t inode, std::string_view names, bool can_fail) {
    const std::uint32_t mode = shared->mode;
    if (mode > kill_process && !can_fail) return false;
    const bool now = mode != just_count && ++shared->count == shared->at;
    trace(now ? (std::string(what) + "!").c_str() : what, inode, names);
    return now;
}

int fire() {
    shared->fired = 1;
    if (shared->mode == kill_process) {
        (void)::kill(::getpid(), SIGKILL);
        __builtin_trap();  // in a process whose filter forbids kill(2)
    }
    errno = static_cast<int>(shared->mode.load());
    return -1;
}

/// What the descriptor is open on; empty if the kernel does not say.
std::string path_of(int fd) {
    char target[PATH_MAX];
    const int before = errno;
    const auto length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target);
    errno = before;
    return {target, length > 0 ? static_cast<std::size_t>(length) : 0};
}

bool is_reached(const char* what, const char* path, std::string_view other = {}) {
    if (shared == nullptr || !holds_mail(path)) return false;
    struct stat status {};
    const int before = errno;
    if (::lstat(path, &status) != 0) errno = before;
    return is_reached(what, status.st_ino, std::string(path).append(" ").append(other), true);
}

bool is_reached(const char* what, int fd) {
    struct stat status {};
    if (shared == nullptr || ::fstat(fd, &status) != 0) return false;
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return false;
    const std::string path = path_of(fd);
    return holds_mail(path) && is_reached(what, status.st_ino, path, true);
}

bool is_left_unsynced(int fd) {
    static const char* const pattern = std::getenv("POSTOFFICE_SYNCS_NOT");
    return pattern != nullptr && ::fnmatch(pattern, path_of(fd).c_str(), 0) == 0;
}

/// Before the first change of the disk there is nothing that a killed speaker could lose.
bool is_reached_speaking(const char* what, std::string_view text) {
    if (shared == nullptr || (shared->mode != just_count && shared->count == 0)) return false;
    return is_reached(what, 0, text.substr(0, 3), false);
}

}  // namespace

extern "C" {

int __real_open(const char* path, int flags, ...);
int __real_openat(int folder, const char* name, int flags, ...);
ssize_t __real_write(int fd, const void* data, std::size_t size);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __real_ftruncate(int fd, off_t size);
int __real_rename(const char* from, const char* to);
int __real_link(const char* from, const char* to);
int __real_linkat(int from_folder, const char* from, int to_folder, const char* to, int flags);
int __real_renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags);
ssize_t __real_copy_file_range(int from, off_t* from_at, int to, off_t* to_at, std::size_t size,
                               unsigned flags);
int __real_unlink(const char* path);
int __real_mkdir(const char* path, mode_t mode);
int __real_rmdir(const char* path);
int __real_unlinkat(int folder, const char* name, int flags);
ssize_t __real_send(int socket, const void* data, std::size_t size, int flags);
ssize_t __real_sendmsg(int socket, const msghdr* message, int flags);

int __wrap_open(const char* path, int flags, ...) {
    const bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    if (!creates) return __real_open(path, flags);
    va_list arguments;
    va_start(arguments, flags);
    const auto mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return is_reached("create", path) ? fire() : __real_open(path, flags, mode);
}

int __wrap_openat(int folder, const char* name, int flags, ...) {
    if ((flags & O_CREAT) == 0) return __real_openat(folder, name, flags);
    va_list arguments;
    va_start(arguments, flags);
    const auto mode = va_arg(arguments, mode_t);
    va_end(arguments);
    if (shared != nullptr && is_reached("create", (path_of(folder) + "/" + name).c_str())) return fire();
    return __real_openat(folder, name, flags, mode);
}

ssize_t __wrap_write(int fd, const void* data, std::size_t size) {
    if (is_reached("write", fd)) return fire();
    if (size > 1 && is_reached("half-write", fd)) {  // as a full disk or a crash in the middle leaves it
        (void)!__real_write(fd, data, size / 2);
        return fire();
    }
    return __real_write(fd, data, size);
}

int __wrap_fdatasync(int fd) {
    if (is_left_unsynced(fd)) return 0;
    return is_reached("sync", fd) ? fire() : __real_fdatasync(fd);
}

int __wrap_fsync(int fd) {
    if (is_left_unsynced(fd)) return 0;
    return is_reached("sync", fd) ? fire() : __real_fsync(fd);
}

int __wrap_ftruncate(int fd, off_t size) {
    return is_reached("truncate", fd) ? fire() : __real_ftruncate(fd, size);
}

int __wrap_rename(const char* from, const char* to) {
    return is_reached("rename", from, to) ? fire() : __real_rename(from, to);
}

int __wrap_link(const char* from, const char* to) {
    return is_reached("link", from, to) ? fire() : __real_link(from, to);
}

int __wrap_linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) {
    return is_reached("link", to, from) ? fire() : __real_linkat(from_folder, from, to_folder, to, flags);
}

int __wrap_renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
    const bool is_now =
        shared != nullptr && is_reached("rename", (path_of(from_folder) + "/" + from).c_str(), to);
    return is_now ? fire() : __real_renameat2(from_folder, from, to_folder, to, flags);
}

ssize_t __wrap_copy_file_range(int from, off_t* from_at, int to, off_t* to_at, std::size_t size,
                               unsigned flags) {
    if (is_reached("write", to)) return fire();
    if (size > 1 && is_reached("half-write", to)) {
        const ssize_t half = __real_copy_file_range(from, from_at, to, to_at, size / 2, flags);
        if (shared->mode == kill_process) return fire();
        shared->fired = 1;
        return half;  // the disk that is full then says so to the next call
    }
    return __real_copy_file_range(from, from_at, to, to_at, size, flags);
}

int __wrap_unlink(const char* path) {
    return is_reached("unlink", path) ? fire() : __real_unlink(path);
}

int __wrap_mkdir(const char* path, mode_t mode) {
    struct stat status {};
    const bool is_new = ::lstat(path, &status) != 0;
    return is_new && is_reached("mkdir", path) ? fire() : __real_mkdir(path, mode);
}

int __wrap_rmdir(const char* path) {
    return is_reached("rmdir", path) ? fire() : __real_rmdir(path);
}

int __wrap_unlinkat(int folder, const char* name, int flags) {
    if (shared != nullptr && is_reached("unlink", (path_of(folder) + "/" + name).c_str())) return fire();
    return __real_unlinkat(folder, name, flags);
}

ssize_t __wrap_send(int socket, const void* data, std::size_t size, int flags) {
    return is_reached_speaking("reply", {static_cast<const char*>(data), size})
               ? fire()
               : __real_send(socket, data, size, flags);
}

ssize_t __wrap_sendmsg(int socket, const msghdr* message, int flags) {
    return is_reached_speaking("packet", "") ? fire() : __real_sendmsg(socket, message, flags);
}
}
