#include "spool_files.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/queue/spool.h"

namespace postoffice {
namespace {

/// No journal of ours comes near: a thousand recipients tried a hundred times each are 20 MB.
constexpr std::size_t largest_journal = 256U << 20;

constexpr std::size_t length_of_new_id = 13;
constexpr std::size_t length_of_folder = 4;  // 62^5 microseconds have the same four digits in front

}  // namespace

std::string read_journal(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) throw_errno("stat journal");
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size > largest_journal) throw FormatError("journal: too large");
    std::string text(size, '\0');
    text.resize(disk::read_at(fd, text, 0));  // at an offset: the position may be shared with another process
    return text;
}

Fd open_message_of(int journal_file, const Journal& journal, const std::string& path) {
    if (journal.message_at == 0) return disk::open(path, O_RDONLY | O_NOFOLLOW);
    std::string text(journal.size.value_or(0), '\0');
    const auto at = static_cast<off_t>(journal.message_at);
    if (disk::read_at(journal_file, text, at) != text.size()) throw_errno(EIO, "read message " + journal.id);
    return disk::memory_file(text);
}

off_t whole_lines(std::string_view text) {
    return static_cast<off_t>(text.rfind('\n') + 1);
}

std::optional<struct stat> status_of(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) return status;
    if (errno != ENOENT) throw_errno("stat " + path);
    return std::nullopt;
}

std::optional<UnixTime> birth_time_of(const std::string& path) {
    struct statx status {};
    const int done = ::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BTIME, &status);
    if (done != 0 || (status.stx_mask & STATX_BTIME) == 0) return std::nullopt;
    return status.stx_btime.tv_sec;
}

bool is_named(int fd, const std::string& path) {
    struct stat open_file {};
    if (::fstat(fd, &open_file) != 0) throw_errno("stat " + path);
    const auto named = status_of(path);
    return named && named->st_dev == open_file.st_dev && named->st_ino == open_file.st_ino;
}

void for_each_name(const std::string& directory, const std::function<void(DIR*, std::string_view)>& visit) {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(directory.c_str()), ::closedir);
    if (!folder) throw_errno("open " + directory);
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(folder.get());
        if (entry == nullptr) break;
        visit(folder.get(), entry->d_name);
    }
    if (errno != 0) throw_errno("read " + directory);
}

std::string folder_for(const std::string& spool, std::string_view id) {
    if (id.size() != length_of_new_id) return spool;
    return spool + "/" + std::string(id.substr(0, length_of_folder));
}

std::string folder_with(const std::string& spool, const std::string& id) {
    std::string folder = folder_for(spool, id);
    for (const char* kind : {"/cm", "/rm", "/bad", "/dm"})
        for (const std::string& place : {folder, spool})
            if (status_of(place + kind + id)) return place;
    return folder;
}

std::vector<std::string> folders_of(const std::string& spool) {
    std::vector<std::string> folders;
    for_each_name(spool, [&](DIR* at, std::string_view name) {
        struct stat status {};
        if (name.size() != length_of_folder || !is_queue_id(name) || name == "drop") return;
        if (::fstatat(::dirfd(at), name.data(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode))
            folders.push_back(spool + "/" + std::string(name));
    });
    std::sort(folders.begin(), folders.end());
    folders.insert(folders.begin(), spool);
    return folders;
}

void for_each_name_of_messages(
    const std::string& spool,
    const std::function<void(const std::string& folder, DIR*, std::string_view)>& visit) {
    for (const std::string& folder : folders_of(spool)) try {
            for_each_name(folder, [&](DIR* at, std::string_view name) { visit(folder, at, name); });
        } catch (const std::system_error& error) {
            if (folder == spool || error.code().value() != ENOENT) throw;
        }
}

std::string_view id_in(std::string_view name, std::string_view prefix) {
    if (!name.starts_with(prefix) || !is_queue_id(name.substr(prefix.size()))) return {};
    return name.substr(prefix.size());
}

bool is_queue_id(std::string_view text) {
    if (text.empty() || text.size() > 16) return false;
    return std::all_of(text.begin(), text.end(), [](char c) { return is_letter_or_digit(c); });
}

}  // namespace postoffice
