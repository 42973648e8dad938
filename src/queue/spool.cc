#include "postoffice/queue/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <functional>
#include <map>
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

/// Files that are removed again if what follows fails, the last one first: no journal is left without its
/// message.
class NewFiles {
  public:
    NewFiles() = default;
    NewFiles(const NewFiles&) = delete;
    NewFiles& operator=(const NewFiles&) = delete;
    ~NewFiles() {
        for (auto path = paths_.rbegin(); path != paths_.rend(); ++path) try {
                disk::unlink_if_exists(*path);
            } catch (const std::system_error&) {
                // The failure that led here is the one to tell; sweep() comes by later.
            }
    }
    void add(const std::string& path) { paths_.push_back(path); }
    void keep() { paths_.clear(); }

  private:
    std::vector<std::string> paths_;
};

/// The locked journal. It gets its name when it is complete: wherever a crash falls, a cm is a message with
/// its envelope.
Fd make_journal(const std::string& folder, const std::string& id, std::string_view text) {
    const std::string name = folder + "/tm" + id, final_name = folder + "/cm" + id;
    Fd journal = disk::open(name, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0640);
    NewFiles made;
    made.add(name);
    if (!try_lock(journal.get())) throw_errno(EAGAIN, "lock " + name);
    disk::write_all(journal.get(), text);
    disk::link(name, final_name);  // unlike rename(2), fails if the name is taken
    made.add(final_name);
    disk::unlink(name);
    made.keep();
    return journal;
}

/// A power cut during commit() may leave any of the names with any part of the contents. `data`: -1 for none,
/// as it is when the message was delivered and is being removed.
bool is_whole(const std::string& id, int journal, int data) try {
    const std::string text = read_journal(journal);
    const Journal parsed = parse_journal(text);
    if (parsed.id != id) return false;
    if (parsed.message_at != 0 && parsed.checksum) {
        const auto message = std::string_view(text).substr(parsed.message_at, *parsed.size);
        return keyed_hash(Message::checksum_key, message) == *parsed.checksum;
    }
    if (parsed.message_at != 0) return true;
    if (data < 0) return parsed.is_finished();
    return !parsed.checksum || checksum_of_file(data) == *parsed.checksum;
} catch (const FormatError&) {
    return false;
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

std::string Spool::journal_path(const std::string& id) const {
    return folder_with(directory_, id) + "/cm" + id;
}

std::string Spool::message_path(const std::string& id) const {
    return folder_with(directory_, id) + "/dm" + id;
}

/// What `make` makes in the folder for new messages with this id. The reaper may remove an empty folder at
/// any time, until a file is in it.
Fd Spool::make_in_folder(const std::string& id, const std::function<Fd()>& make) const {
    constexpr int most_attempts = 10;
    const std::string folder = folder_for(directory_, id);
    for (int attempt = 1;; ++attempt) {
        try {
            return make();
        } catch (const std::system_error& error) {
            if (error.code().value() != ENOENT || attempt == most_attempts) throw;
        }
        disk::make_directory(folder, 0750);
    }
}

/// Opens a folder that is not empty, and makes its name durable unless this process has done so before.
int Spool::durable_folder(const std::string& path) const {
    if (durable_folder_ && is_named(durable_folder_.get(), path)) return durable_folder_.get();
    Fd folder = disk::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (path != directory_) disk::sync_name(path);
    durable_folder_ = std::move(folder);
    return durable_folder_.get();
}

/// Written out together, then the folder first: when the data is out, one commit of the file system's journal
/// makes names, sizes and contents durable, and the syncs behind it find nothing left to do. With the folder
/// last, what other processes create meanwhile would make it wait for a second commit.
void Spool::make_durable(const std::string& folder, std::span<const int> files) const {
    for (const int file : files) disk::start_sync(file);
    for (const int file : files) disk::wait_written(file);
    disk::sync_opened_directory(durable_folder(folder));
    for (const int file : files) disk::sync(file);
}

QueueEntry Spool::commit(const std::string& id, const Envelope& envelope, Message& message) const {
    // A submission in drop/ is there until all of it is known to be here: finish_commit(). A client has its
    // own until it is acknowledged.
    const bool may_be_taken_again = envelope.origin.client_address.empty();
    const auto checksum = may_be_taken_again ? std::optional(message.checksum()) : std::nullopt;
    const auto text = message.in_memory();
    const std::string start = text ? journal_with_message(id, envelope, *text, checksum)
                                   : journal_header(id, envelope, message.size(), checksum);
    const std::string folder = folder_for(directory_, id);
    NewFiles made;
    std::vector<int> files;
    Fd data;
    if (!text) {
        const std::string name = folder + "/dm" + id;
        data = make_in_folder(id, [&] { return message.keep_as(name); });
        made.add(name);
        (void)try_lock(data.get());  // for sweep(); no other process locks it
        files.push_back(data.get());
    }
    Fd journal = make_in_folder(id, [&] { return make_journal(folder, id, start); });
    made.add(folder + "/cm" + id);
    files.push_back(journal.get());
    make_durable(folder, files);
    made.keep();
    return {folder, std::move(journal), parse_journal(start), whole_lines(start)};
}

bool Spool::finish_commit(const std::string& id) const {
    const std::string folder = folder_with(directory_, id);
    if (status_of(folder + "/rm" + id)) return true;  // and even done
    const Fd journal = disk::open_if_exists(folder + "/cm" + id, read_flags);
    const Fd data = disk::open_if_exists(folder + "/dm" + id, read_flags);
    if (!journal || !is_whole(id, journal.get(), data.get())) {
        for (const char* kind : {"/cm", "/bad", "/tm", "/dm"}) disk::unlink_if_exists(folder + kind + id);
        return false;
    }
    disk::sync(journal.get());
    if (data) disk::sync(data.get());
    disk::sync_opened_directory(durable_folder(folder));
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
        Journal parsed = check(text, id, path);
        return QueueEntry(parent_of(path), std::move(journal), std::move(parsed), whole_lines(text));
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

Fd Spool::open_message(const std::string& id) const {
    const Fd journal = disk::open(journal_path(id), read_flags);
    return open_message_of(journal.get(), parse_journal(read_journal(journal.get())), message_path(id));
}

std::vector<Spool::Item> Spool::scan() const {
    std::vector<Item> items;
    for_each_name_of_messages(directory_, [&items](const std::string&, DIR* at, std::string_view name) {
        const auto id = id_in(name, "cm");
        struct stat status {};
        if (id.empty() || ::fstatat(::dirfd(at), name.data(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
        if (S_ISREG(status.st_mode)) items.push_back({std::string(id), status.st_mtime});
    });
    return items;
}

std::vector<std::string> Spool::finished() const {
    std::vector<std::string> ids;
    for_each_name_of_messages(directory_, [&ids](const std::string&, DIR*, std::string_view name) {
        if (const auto id = id_in(name, "rm"); !id.empty()) ids.emplace_back(id);
    });
    return ids;
}

// The message first: as long as its rm is there, it is known that there is something to do.
void Spool::reap(const std::string& id) const {
    if (!is_queue_id(id)) return;
    for (const std::string& folder : {folder_for(directory_, id), directory_}) {
        if (!status_of(folder + "/rm" + id)) continue;
        disk::unlink_if_exists(folder + "/dm" + id);
        disk::unlink_if_exists(folder + "/rm" + id);
        return;
    }
}

std::string Spool::folder_of(const std::string& id) const {
    return folder_for(directory_, id);
}

void Spool::remove_folder_of(const std::string& id) const {
    remove_spent_folder(folder_of(id));
}

// What is committed meanwhile makes the folder again: keep_message().
void Spool::remove_spent_folder(const std::string& folder) const {
    constexpr off_t grown = 65536;  // by the names of a thousand messages
    const auto status = folder == directory_ ? std::nullopt : status_of(folder);
    if (!status) return;
    const bool is_in_use = folder == folder_for(directory_, new_id());
    if (!is_in_use || status->st_size > grown) (void)disk::remove_directory_if_empty(folder);
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
    std::map<std::string, std::vector<std::string>> names;
    for_each_name_of_messages(directory_, [&names](const std::string& folder, DIR*, std::string_view name) {
        names[folder].emplace_back(name);
    });
    unsigned removed = 0;
    for (const auto& [folder, names_in_it] : names)
        removed += sweep_folder(folder, names_in_it, now_unix() - age.count());
    return removed;
}

unsigned Spool::sweep_folder(const std::string& folder, const std::vector<std::string>& names,
                             UnixTime before) const {
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
        const std::string path = folder + "/" + name;
        if (!id_in(name, "tm").empty()) sweep_one(path, [](int) { return false; });
        if (const std::string id(id_in(name, "dm")); !id.empty())
            sweep_one(path,
                      [&](int) { return status_of(folder + "/cm" + id) || status_of(folder + "/bad" + id); });
    }
    remove_spent_folder(folder);
    return removed;
}

}  // namespace postoffice
