#include "postoffice/queue/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <functional>
#include <utility>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/base/lock.h"
#include "postoffice/base/log.h"
#include "spool_files.h"

namespace postoffice {
namespace {

/// `value` in base 62, in ASCII order of its digits, so that texts of one width sort as numbers do.
void append_base62(std::string& text, std::uint64_t value, std::size_t width) {
    constexpr std::string_view digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const std::size_t start = text.size();
    text.resize(start + width);
    for (std::size_t i = width; i > 0; --i, value /= 62) text[start + i - 1] = digits[value % 62];
}

std::uint64_t microseconds_now() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

void remove_quietly(const std::string& path) {
    try {
        disk::unlink_if_exists(path);
    } catch (const std::system_error&) {
        // The failure that led here is the one to tell; sweep() comes by later.
    }
}

}  // namespace

Spool::Spool(std::string directory, OnDamage on_damage)
    : directory_(std::move(directory)), on_damage_(std::move(on_damage)) {}

bool Spool::is_mine() const {
    struct stat status {};
    if (::stat(directory_.c_str(), &status) != 0) throw_errno(directory_);
    return ::geteuid() == 0 || ::geteuid() == status.st_uid;
}

void Spool::create(uid_t uid, gid_t gid) const {
    (void)make_folder(directory_, 0750, uid, gid);
    // A submitter may create a file, but neither list the folder nor touch the files of others.
    // Set-gid: the files get the folder's group, by which they can be read for taking in.
    (void)make_folder(drop_directory(), 03730, uid, gid);
    // A process that was killed may have made them, before their names were durable.
    disk::sync_name(directory_);
    disk::sync_name(drop_directory());
}

std::string Spool::new_id() {
    // Unique without any state: the clock is past an id's microsecond before the id is given out, and two
    // processes differ in their pid.
    const std::uint64_t stamp = microseconds_now();
    while (microseconds_now() == stamp) continue;
    std::string id;
    append_base62(id, stamp, 9);
    append_base62(id, static_cast<std::uint64_t>(::getpid()), 4);
    return id;
}

QueueEntry Spool::commit(const std::string& id, const Envelope& envelope, Message& message) const {
    const std::string header = journal_header(id, envelope, message.size());
    const Fd data = message.keep_as(message_path(id));
    std::string journal_name = directory_ + "/tm" + id;
    try {
        (void)try_lock(data.get());  // for sweep(); no other process locks it
        Fd journal = disk::open(journal_name, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0640);
        if (!try_lock(journal.get())) throw_errno(EAGAIN, "lock " + journal_name);
        disk::write_all(journal.get(), header);
        // It gets its name when it is complete: wherever a crash falls, a cm is a message with its envelope.
        disk::link(journal_name, journal_path(id));  // unlike rename(2), fails if the name is taken
        disk::unlink(std::exchange(journal_name, journal_path(id)));
        // Written out together, then the folder first: when the data is out, one commit of the file system's
        // journal makes names, sizes and contents durable, and the two syncs behind it find nothing left to
        // do. With the folder last, what other processes create meanwhile would make it wait for a second
        // commit.
        disk::start_sync(data.get());
        disk::start_sync(journal.get());
        disk::wait_written(data.get());
        disk::wait_written(journal.get());
        disk::sync_directory(directory_);
        disk::sync(data.get());
        disk::sync(journal.get());
        return {directory_, std::move(journal), parse_journal(header), whole_lines(header)};
    } catch (const std::system_error&) {
        remove_quietly(journal_name);
        remove_quietly(message_path(id));
        throw;
    }
}

bool Spool::finish_commit(const std::string& id) const {
    const Fd journal = disk::open_if_exists(journal_path(id), read_flags);
    if (!journal) {
        disk::unlink_if_exists(directory_ + "/tm" + id);
        disk::unlink_if_exists(message_path(id));
        return false;
    }
    disk::sync(journal.get());
    // Without its text it is being removed: it was delivered.
    if (const Fd data = disk::open_if_exists(message_path(id), read_flags)) disk::sync(data.get());
    disk::sync_directory(directory_);
    return true;
}

std::optional<QueueEntry> Spool::take(const std::string& id) const {
    if (!is_queue_id(id)) return std::nullopt;
    const std::string path = journal_path(id);
    Fd journal = disk::open_if_exists(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK);
    if (!journal || !try_lock(journal.get()) || !is_named(journal.get(), path)) return std::nullopt;
    try {
        const std::string text = read_journal(journal.get());
        if (!text.empty() && journal_is_unfinished(text)) return std::nullopt;
        Journal parsed = check(text, id);
        return QueueEntry(directory_, std::move(journal), std::move(parsed), whole_lines(text));
    } catch (const FormatError& error) {
        set_aside(id, error.what());
        return std::nullopt;
    }
}

std::optional<Journal> Spool::peek(const std::string& id) const {
    const Fd journal = disk::open_if_exists(journal_path(id), read_flags);
    if (!journal) return std::nullopt;
    const std::string text = read_journal(journal.get());
    if (text.empty() || journal_is_unfinished(text)) return std::nullopt;
    return parse_journal(text);
}

std::vector<Spool::Item> Spool::scan() const {
    std::vector<Item> items;
    for_each_name(directory_, [&items](DIR* folder, std::string_view name) {
        const auto id = id_in(name, "cm");
        struct stat status {};
        if (id.empty() || ::fstatat(::dirfd(folder), name.data(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
        if (S_ISREG(status.st_mode)) items.push_back({std::string(id), status.st_mtime});
    });
    return items;
}

std::vector<std::string> Spool::finished() const {
    std::vector<std::string> ids;
    for_each_name(directory_, [&ids](DIR*, std::string_view name) {
        if (const auto id = id_in(name, "rm"); !id.empty()) ids.emplace_back(id);
    });
    return ids;
}

// The message first: as long as its rm is there, it is known that there is something to do.
void Spool::reap(const std::string& id) const {
    const std::string journal = directory_ + "/rm" + id;
    if (!is_queue_id(id) || !status_of(journal)) return;
    disk::unlink_if_exists(message_path(id));
    disk::unlink_if_exists(journal);
}

namespace {

/// Removes the file unless it is young, in use, or `is_needed`. That is asked before the lock, so that no
/// queue run finds a healthy message locked, and again under it.
bool sweep_file(const std::string& path, UnixTime before, const std::function<bool(int fd)>& is_needed) {
    const auto status = status_of(path);
    if (!status || !S_ISREG(status->st_mode) || status->st_mtime > before) return false;
    const Fd file = disk::open_if_exists(path, read_flags);
    if (!file || is_needed(file.get())) return false;
    if (!try_lock(file.get()) || !is_named(file.get(), path) || is_needed(file.get())) return false;
    return disk::unlink_if_exists(path);
}

}  // namespace

unsigned Spool::sweep(Seconds age) const {
    const UnixTime before = now_unix() - age.count();
    std::vector<std::string> names;
    for_each_name(directory_, [&names](DIR*, std::string_view name) { names.emplace_back(name); });

    unsigned removed = 0;
    const auto sweep_one = [&](const std::string& path, const std::function<bool(int)>& is_needed) {
        if (!sweep_file(path, before, is_needed)) return;
        ++removed;
        log_event("", "swept", {{"file", path}});
    };
    // Only overdue journals are read, and those are few: a journal's modification time is when it is due.
    for (const std::string& name : names)
        if (const std::string id(id_in(name, "cm")); !id.empty()) sweep_journal(id, before);
    for (const std::string& name : names) {
        const std::string path = directory_ + "/" + name;
        if (!id_in(name, "tm").empty()) sweep_one(path, [](int) { return false; });
        if (const std::string id(id_in(name, "dm")); !id.empty())
            sweep_one(path, [&](int) {
                return status_of(journal_path(id)) || status_of(directory_ + "/bad" + id);
            });
    }
    return removed;
}

}  // namespace postoffice
