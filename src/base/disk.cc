#include "postoffice/base/disk.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"

namespace postoffice::disk {
namespace {

constexpr std::size_t read_size = 16384;

}  // namespace

Fd open(const std::string& path, int flags, mode_t mode) {
    Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
    if (!fd) throw_errno("open " + path);
    return fd;
}

Fd open_in(int folder, const std::string& name, int flags, mode_t mode) {
    Fd fd(::openat(folder, name.c_str(), flags | O_CLOEXEC, mode));
    if (!fd) throw_errno("open " + name);
    return fd;
}

Fd open_if_exists(const std::string& path, int flags) {
    Fd fd(::open(path.c_str(), flags | O_CLOEXEC));
    if (!fd && errno != ENOENT) throw_errno("open " + path);
    return fd;
}

void write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0) {
            if (errno == EINTR) continue;
            throw_errno("write");
        }
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

void sync(int fd) {
    if (::fdatasync(fd) != 0) throw_errno("sync");
}

void start_sync(int fd) {
    (void)::sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);  // not every file system can; sync() decides
}

void wait_written(int fd) {
    (void)::sync_file_range(fd, 0, 0,
                            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

void sync_directory(const std::string& path) {
    sync_opened_directory(open(path, O_RDONLY | O_DIRECTORY).get());
}

void sync_opened_directory(int folder) {
    if (::fsync(folder) != 0) throw_errno("sync folder");
}

void sync_name(const std::string& path) try {
    sync_directory(parent_of(path));
} catch (const std::system_error& error) {
    if (error.code().value() != EACCES) throw;
}

void make_directory(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) throw_errno("mkdir " + path);
}

bool remove_directory_if_empty(const std::string& path) {
    if (::rmdir(path.c_str()) == 0) return true;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT) throw_errno("rmdir " + path);
    return false;
}

void rename(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) throw_errno("rename " + from + " to " + to);
}

bool rename_in(int from_folder, const std::string& from, int to_folder, const std::string& to) {
    if (::renameat2(from_folder, from.c_str(), to_folder, to.c_str(), RENAME_NOREPLACE) == 0) return true;
    if (errno != ENOENT && errno != EEXIST) throw_errno("rename " + from);
    return false;
}

void link(const std::string& from, const std::string& to) {
    if (::link(from.c_str(), to.c_str()) != 0) throw_errno("link " + from + " to " + to);
}

void link_opened(int fd, const std::string& path) {
    const std::string source = "/proc/self/fd/" + std::to_string(fd);
    if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0)
        throw_errno("link " + path);
}

void unlink(const std::string& path) {
    if (::unlink(path.c_str()) != 0) throw_errno("unlink " + path);
}

bool unlink_if_exists(const std::string& path) {
    if (::unlink(path.c_str()) == 0) return true;
    if (errno != ENOENT) throw_errno("unlink " + path);
    return false;
}

bool unlink_in(int folder, const std::string& name) {
    if (::unlinkat(folder, name.c_str(), 0) == 0) return true;
    if (errno != ENOENT) throw_errno("unlink " + name);
    return false;
}

void truncate(int fd, off_t size) {
    if (::ftruncate(fd, size) != 0) throw_errno("truncate");
}

void reserve(int fd, off_t offset, off_t octets) {
    while (::fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, octets) != 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS) return;
        if (errno != EINTR) throw_errno("reserve space");
    }
}

void set_modification_time(int fd, UnixTime when) {
    const timespec times[2] = {{0, UTIME_OMIT}, {static_cast<time_t>(when), 0}};
    if (::futimens(fd, times) != 0) throw_errno("set modification time");
}

std::string read_all(int fd, std::size_t most) {
    std::string contents;
    // Not on the stack, which would stay that large.
    const auto buffer = std::make_unique_for_overwrite<char[]>(read_size);
    for (;;) {
        const ssize_t n = ::read(fd, buffer.get(), read_size);
        if (n == 0) return contents;
        if (n < 0) {
            if (errno == EINTR) continue;
            throw_errno("read");
        }
        contents.append(buffer.get(), static_cast<std::size_t>(n));
        if (contents.size() > most) throw_errno(EFBIG, "read");
    }
}

std::size_t read_at(int fd, std::span<char> into, off_t offset) {
    std::size_t done = 0;
    while (done < into.size()) {
        const ssize_t n =
            ::pread(fd, into.data() + done, into.size() - done, offset + static_cast<off_t>(done));
        if (n == 0) break;
        if (n < 0) {
            if (errno == EINTR) continue;
            throw_errno("read");
        }
        done += static_cast<std::size_t>(n);
    }
    return done;
}

void copy_range(int from, off_t offset, off_t octets, int to) {
    while (octets > 0) {
        const ssize_t n = ::copy_file_range(from, &offset, to, nullptr, static_cast<std::size_t>(octets), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) throw_errno(EIO, "copy: the file is too short");
        if (n < 0 && errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
            throw_errno("copy");
        if (n < 0) break;  // these two files must be read and written
        octets -= n;
    }
    std::string buffer(octets > 0 ? 65536 : 0, '\0');
    while (octets > 0) {
        const auto want = static_cast<std::size_t>(std::min<off_t>(octets, 65536));
        if (read_at(from, std::span(buffer).first(want), offset) != want) throw_errno(EIO, "read");
        write_all(to, std::string_view(buffer).substr(0, want));
        offset += static_cast<off_t>(want);
        octets -= static_cast<off_t>(want);
    }
}

void copy_all(int from, int to) {
    std::string buffer(65536, '\0');
    for (off_t offset = 0; const std::size_t n = read_at(from, buffer, offset);
         offset += static_cast<off_t>(n))
        write_all(to, std::string_view(buffer).substr(0, n));
}

namespace {

constexpr int contents_stay = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;

}  // namespace

bool is_memory_file(int fd) {
    const int seals = ::fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & contents_stay) == contents_stay;
}

Fd memory_file(std::string_view contents) {
    Fd fd(::memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) throw_errno("memfd_create");
    write_all(fd.get(), contents);
    // The file's mode lets every process that holds it open it again for writing; the seals do not.
    if (::fcntl(fd.get(), F_ADD_SEALS, contents_stay | F_SEAL_SEAL) != 0) throw_errno("seal");
    if (::lseek(fd.get(), 0, SEEK_SET) != 0) throw_errno("seek");
    return fd;
}

unsigned long long free_space(const std::string& path) {
    struct statvfs space {};
    if (::statvfs(path.c_str(), &space) != 0) throw_errno("statvfs " + path);
    return static_cast<unsigned long long>(space.f_bavail) * space.f_frsize;
}

}  // namespace postoffice::disk
