#include "postoffice/queue/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <utility>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/base/lock.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

/// No journal of ours comes near: a thousand recipients tried a hundred times each are 20 MB.
constexpr std::size_t largest_journal = 256U << 20;

/// Seconds that a message may have arrived after the time of its file: that one may come from another host's
/// clock.
constexpr UnixTime most_ahead = 86400;

constexpr int read_flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

std::string read_journal(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) throw_errno("stat journal");
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size > largest_journal) throw FormatError("journal: too large");
    std::string text(size, '\0');
    text.resize(disk::read_at(fd, text, 0));  // at an offset: the position may be shared with another process
    return text;
}

/// Octets of the lines of `text` that have an end.
off_t whole_lines(std::string_view text) {
    return static_cast<off_t>(text.rfind('\n') + 1);
}

std::optional<struct stat> status_of(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) return status;
    if (errno != ENOENT) throw_errno("stat " + path);
    return std::nullopt;
}

/// True if the path still names the open file: it may have been removed, or replaced, before it was locked.
bool is_named(int fd, const std::string& path) {
    struct stat open_file {};
    if (::fstat(fd, &open_file) != 0) throw_errno("stat " + path);
    const auto named = status_of(path);
    return named && named->st_dev == open_file.st_dev && named->st_ino == open_file.st_ino;
}

/// Calls `visit` with each name in the folder.
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

/// The id in the name of one of our files; empty if it is none of that kind.
std::string_view id_in(std::string_view name, std::string_view prefix) {
    if (!name.starts_with(prefix) || !is_queue_id(name.substr(prefix.size()))) return {};
    return name.substr(prefix.size());
}

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

// QueueEntry

QueueEntry::QueueEntry(std::string spool_directory, Fd journal)
    : directory_(std::move(spool_directory)), fd_(std::move(journal)) {
    const std::string text = read_journal(fd_.get());
    journal_ = parse_journal(text);
    known_to_ = whole_lines(text);
}

QueueEntry::QueueEntry(std::string spool_directory, Fd fd, Journal journal, off_t known_to)
    : directory_(std::move(spool_directory)),
      fd_(std::move(fd)),
      journal_(std::move(journal)),
      known_to_(known_to) {}

Fd QueueEntry::open_message() const {
    return disk::open(directory_ + "/dm" + id(), O_RDONLY | O_NOFOLLOW);
}

std::uint64_t QueueEntry::message_size() const {
    const auto status = status_of(directory_ + "/dm" + id());
    return status ? static_cast<std::uint64_t>(status->st_size) : 0;
}

/// Small journals have it in the block that they end in.
void QueueEntry::make_room_for_results(std::size_t count) const {
    constexpr std::size_t octets_of_result = 512;  // most have a fifth of it
    constexpr std::size_t block = 4096;
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) throw_errno("stat journal");
    const std::size_t octets = (count + 1) * octets_of_result;
    const std::size_t left_in_block = (block - static_cast<std::size_t>(status.st_size) % block) % block;
    if (octets > left_in_block) disk::reserve(fd_.get(), status.st_size, static_cast<off_t>(octets));
}

void QueueEntry::record(std::size_t index, const DeliveryResult& result) {
    append(journal_event::result(index, result));
}

void QueueEntry::add(const Recipient& recipient) {
    append(journal_event::added(journal_.recipients.size(), recipient));
}

void QueueEntry::record_reported(std::size_t index, const std::string& text) {
    append(journal_event::reported(index, text));
}

void QueueEntry::record_warned(std::size_t index, const std::string& text) {
    append(journal_event::warned(index, text));
}

void QueueEntry::record_postponed(std::size_t index, const DeliveryResult& why) {
    append(journal_event::postponed(index, why));
}

void QueueEntry::defer_until(UnixTime when) {
    append_due(journal_event::retry_at(when), when);
}

void QueueEntry::set_due(UnixTime when) {
    append_due(journal_event::due_at(when), when);
}

void QueueEntry::append_due(const std::string& event, UnixTime when) {
    append(event);
    disk::set_modification_time(fd_.get(), when);
}

void QueueEntry::hold(const std::string& reason) {
    append(journal_event::held(reason));
}

void QueueEntry::release() {
    append(journal_event::released());
}

/// In one write(2), since others may append too. Where a full disk or a crash cut off an earlier line, this
/// one starts anew: glued to that rest it would be lost with it.
void QueueEntry::append(const std::string& event) {
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) throw_errno("stat journal");
    char last = '\n';
    if (status.st_size > known_to_) disk::read_at(fd_.get(), std::span(&last, 1), status.st_size - 1);
    disk::write_all(fd_.get(), (last == '\n' ? "" : "\n") + rfc3339_utc(now_unix()) + " " + event + "\n");
    reload();
}

void QueueEntry::reload() {
    std::string news;
    std::array<char, 4096> block;
    for (std::size_t n = block.size(); n == block.size();) {
        n = disk::read_at(fd_.get(), block, known_to_ + static_cast<off_t>(news.size()));
        news.append(block.data(), n);
    }
    known_to_ += static_cast<off_t>(apply_journal_events(journal_, news));
}

void QueueEntry::sync() {
    disk::sync(fd_.get());
}

void QueueEntry::finish() {
    disk::rename(directory_ + "/cm" + id(), directory_ + "/rm" + id());
}

void QueueEntry::remove() {
    disk::unlink_if_exists(directory_ + "/cm" + id());
    disk::unlink_if_exists(directory_ + "/dm" + id());  // sweep() may have come between the two
}

// Spool

Spool::Spool(std::string directory, OnDamage on_damage)
    : directory_(std::move(directory)), on_damage_(std::move(on_damage)) {}

bool Spool::is_mine() const {
    struct stat status {};
    if (::stat(directory_.c_str(), &status) != 0) throw_errno(directory_);
    return ::geteuid() == 0 || ::geteuid() == status.st_uid;
}

void Spool::create(uid_t uid, gid_t gid) const {
    (void)make_folder(directory_, 0750, uid, gid);
    // Who submits mail may create a file, but neither list the folder nor touch what others put there.
    // Set-gid: the files get the folder's group, by which they can be read for taking in.
    (void)make_folder(drop_directory(), 03730, uid, gid);
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
        (void)try_lock(data.get());  // for sweep(); nobody else ever locks it
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

/// What the journal of `id` says. Throws FormatError if it is damaged, or does not fit its message.
Journal Spool::check(std::string_view text, const std::string& id) const {
    if (text.empty()) throw FormatError("journal: empty");
    Journal journal = parse_journal(text);
    if (journal.id != id) throw FormatError("journal: of another message, " + journal.id);
    const auto message = status_of(message_path(id));
    if (!message) return journal;
    // Both files are written out at once, so a crash can leave a whole journal and half a message.
    if (journal.size && static_cast<std::uint64_t>(message->st_size) != *journal.size)
        throw FormatError(
            fmt::format("message has {} octets instead of {}", message->st_size, *journal.size));
    // Compared with the file that was written then: the clock of today may be wrong.
    if (journal.envelope.arrived > message->st_mtime + most_ahead)
        throw FormatError("journal: the message arrived after it was written");
    return journal;
}

void Spool::set_aside(const std::string& id, const std::string& problem) const {
    const std::string aside = directory_ + "/bad" + id;
    disk::rename(journal_path(id), aside);
    log_event(id, "damaged", {{"kept-as", aside}, {"reason", problem}});
    if (on_damage_) on_damage_(id, problem);
}

std::vector<Spool::Aside> Spool::aside() const {
    std::vector<Aside> found;
    for_each_name(directory_, [&found, this](DIR*, std::string_view name) {
        const std::string id(id_in(name, "bad"));
        if (!id.empty()) found.push_back({id, directory_ + "/bad" + id, false, std::nullopt, ""});
    });
    for (Aside& one : found) try {
            if (const auto message = status_of(message_path(one.id)))
                one.message_size = static_cast<std::uint64_t>(message->st_size);
            const std::string text = read_journal(disk::open(one.path, read_flags).get());
            one.is_submission = text.starts_with("postoffice drop");
            if (one.is_submission)
                one.problem = "submission: damaged";
            else
                (void)check(text, one.id);
        } catch (const std::runtime_error& error) {  // FormatError, std::system_error
            one.problem = error.what();
        }
    std::sort(found.begin(), found.end(), [](const Aside& a, const Aside& b) { return a.id < b.id; });
    return found;
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

/// A journal gets its name when it is complete, so one without end mark is what a crash left of it. The
/// client may have been told that the message is queued: a person has to look.
void Spool::sweep_journal(const std::string& id, UnixTime before) const {
    const std::string path = journal_path(id);
    const auto status = status_of(path);
    if (!status || !S_ISREG(status->st_mode) || status->st_mtime > before) return;
    const Fd file = disk::open_if_exists(path, read_flags);
    const auto is_torn = [&file] {
        const std::string text = read_journal(file.get());
        return !text.empty() && journal_is_unfinished(text);
    };
    if (!file || !is_torn() || !try_lock(file.get()) || !is_named(file.get(), path) || !is_torn()) return;
    set_aside(id, "journal: no end of envelope");
}

bool is_queue_id(std::string_view text) {
    if (text.empty() || text.size() > 16) return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    });
}

}  // namespace postoffice
