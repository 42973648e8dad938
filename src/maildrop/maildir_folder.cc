#include "maildir_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <tuple>
#include <utility>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/local/mailbox.h"
#include "postoffice/routing/mailbox_path.h"

namespace postoffice {
namespace {

/// An empty Fd if there is none.
Fd open_own_folder(const std::string& path) {
    Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder && errno == ENOENT) return folder;
    const bool is_other_file = !folder && (errno == ENOTDIR || errno == ELOOP);
    if (!folder && !is_other_file) throw_errno("open " + path);
    struct stat status {};
    if ((folder ? ::fstat(folder.get(), &status) : ::lstat(path.c_str(), &status)) != 0)
        throw_errno("stat " + path);
    if (const auto why = unfit_as_maildir(status, ::geteuid()); !why.empty())
        throw UnfitMailbox(std::string(why));
    return folder;
}

/// Seconds, microseconds: of "1700000000.M000123P45Q6.host".
std::pair<std::uint64_t, std::uint64_t> delivery_time(std::string_view name) {
    const std::string_view seconds = read_until(name, '.');
    std::string_view rest = name.starts_with('M') ? name.substr(1) : std::string_view();
    rest = rest.substr(0, rest.find_first_not_of("0123456789"));
    return {parse_number(seconds).value_or(0), parse_number(rest).value_or(0)};
}

void add_files(const Fd& folder, bool is_new, MaildirFolder::Files& files) {
    if (!folder) return;
    // The position of a directory belongs to all copies of a descriptor.
    const int own = ::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, int (*)(DIR*)> list(own < 0 ? nullptr : ::fdopendir(own), ::closedir);
    if (!list) throw_errno("list a maildir");
    for (errno = 0; const dirent* const entry = ::readdir(list.get()); errno = 0) {
        const std::string_view name = entry->d_name;
        if (name.starts_with('.')) continue;
        if (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN) continue;
        files.insert_or_assign(std::string(unique_name(name)),
                               MaildirFolder::File{is_new, std::string(name)});
    }
    if (errno != 0) throw_errno("list a maildir");
}

}  // namespace

std::string_view unique_name(std::string_view file_name) {
    return file_name.substr(0, file_name.find(':'));
}

bool is_delivered_before(std::string_view a, std::string_view b) {
    const auto first = delivery_time(a), second = delivery_time(b);
    return first != second ? first < second : a < b;
}

MaildirFolder::MaildirFolder(std::string path) : path_(std::move(path)) {
    if (!open_own_folder(path_)) return;
    new_ = open_own_folder(path_ + "/new");
    cur_ = open_own_folder(path_ + "/cur");
}

// A file that a reader moves from new/ to cur/ in between is seen twice rather than not at all.
MaildirFolder::Files MaildirFolder::list() const {
    Files files(&is_delivered_before);
    add_files(new_, true, files);
    add_files(cur_, false, files);
    return files;
}

std::optional<FileState> MaildirFolder::state_of(const File& file) const {
    struct stat status {};
    if (::fstatat(folder_of(file).get(), file.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT) throw_errno("stat " + file.name);
        return std::nullopt;
    }
    return S_ISREG(status.st_mode) ? std::optional(FileState::of(status)) : std::nullopt;
}

Fd MaildirFolder::open(const File& file) const {
    Fd opened(::openat(folder_of(file).get(), file.name.c_str(),
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC));
    // Only the owner of a file may leave its time of access alone.
    if (!opened && errno == EPERM)
        opened.reset(::openat(folder_of(file).get(), file.name.c_str(),
                              O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!opened && errno != ENOENT && errno != ELOOP) throw_errno("open " + file.name);
    struct stat status {};
    if (opened && ::fstat(opened.get(), &status) != 0) throw_errno("stat " + file.name);
    if (opened && !S_ISREG(status.st_mode)) opened.reset();
    return opened;
}

bool MaildirFolder::remove(const File& file) const {
    return disk::unlink_in(folder_of(file).get(), file.name);
}

bool MaildirFolder::mark_as_seen(const File& file) const {
    std::string name = file.name;
    const auto flags = name.find(":2,");
    if (flags == std::string::npos) {
        if (name.find(':') != std::string::npos) return false;  // flags of another kind
        name += ":2,S";
    } else if (name.find('S', flags) == std::string::npos) {
        auto place = flags + 3;
        while (place < name.size() && name[place] < 'S') ++place;  // flags are in the order of ASCII
        name.insert(place, 1, 'S');
    }
    if (!file.is_new && name == file.name) return true;
    return disk::rename_in(folder_of(file).get(), file.name, cur_.get(), name);
}

void MaildirFolder::sync() const {
    for (const Fd* folder : {&new_, &cur_})
        if (*folder) disk::sync_opened_directory(folder->get());
}

}  // namespace postoffice
