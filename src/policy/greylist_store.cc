#include "postoffice/policy/greylist_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gdbm.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/keyed_hash.h"
#include "postoffice/base/lock.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr unsigned files = 16;
constexpr HashKey spread{0x706f73746f666669, 0x6365677265796c69};  // no secret: it only spreads
constexpr Milliseconds patience_of_visits{30'000};
constexpr Milliseconds pause_of_visits{4};   // between batches, so that sessions get the lock
constexpr std::size_t batch = 100;           // entries that are visited without unlocking the file
constexpr std::size_t most_copied = 50'000;  // making a larger file smaller would keep it locked for too long
/// Nothing is changed while there is less on the disk: what could be written in part is damaged, and all that
/// it knew is gone.
constexpr unsigned long long room_for_a_change = 1U << 20;

/// gdbm's own errors are about what is in the file; those of the system say nothing against that.
[[noreturn]] void fail(const std::string& text) {
    const int error = errno;
    if (gdbm_check_syserr(gdbm_errno) && error != 0) throw_errno(error, text);
    throw FormatError(text);
}

[[noreturn]] void give_up(const char* text) {
    fail(text);
}

datum to_datum(std::string_view text) {
    return {const_cast<char*>(text.data()), static_cast<int>(text.size())};
}

std::string read_text(datum value) {
    const std::unique_ptr<char, decltype(&std::free)> owned(value.dptr, std::free);
    return owned ? std::string(value.dptr, static_cast<std::size_t>(value.dsize)) : std::string();
}

}  // namespace

/// One file, locked while this lives. The lock is another file beside it, which is never replaced.
class GreylistStore::File {
  public:
    File(const std::string& path, Milliseconds patience) : path_(path) {
        lock_ = disk::open(path + ".lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0640);
        lock_until(lock_.get(), path, Deadline::after(patience));
    }
    ~File() { close(); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    /// A file that is not there is an empty one for a reader.
    void open(bool may_write) {
        if (!may_write && ::access(path_.c_str(), F_OK) != 0) return;
        const int flags = (may_write ? GDBM_WRCREAT : GDBM_READER) | GDBM_NOLOCK | GDBM_NOMMAP | GDBM_CLOEXEC;
        database_ = gdbm_open(path_.c_str(), 0, flags, 0640, give_up);
        if (database_ != nullptr) return;
        fail(path_ + ": " + gdbm_strerror(gdbm_errno));
    }

    std::optional<GreylistEntry> find(const std::string& key) {
        if (database_ == nullptr) return std::nullopt;
        const datum value = gdbm_fetch(database_, to_datum(key));
        if (value.dptr == nullptr) {
            if (gdbm_last_errno(database_) == GDBM_ITEM_NOT_FOUND) return std::nullopt;
            throw FormatError(path_ + ": " + gdbm_db_strerror(database_));
        }
        return GreylistEntry::parse(read_text(value));
    }

    bool has(const std::string& key) {
        return database_ != nullptr && gdbm_exists(database_, to_datum(key)) != 0;
    }

    void put(const std::string& key, const std::optional<GreylistEntry>& entry) {
        const std::string text = entry ? entry->text() : "";
        const int outcome = entry ? gdbm_store(database_, to_datum(key), to_datum(text), GDBM_REPLACE)
                                  : gdbm_delete(database_, to_datum(key));
        if (outcome != 0 && entry) fail(path_ + ": " + gdbm_db_strerror(database_));
    }

    std::vector<std::string> keys() {
        std::vector<std::string> found;
        if (database_ == nullptr) return found;
        datum key = gdbm_firstkey(database_);
        while (key.dptr != nullptr) {
            const datum next = gdbm_nextkey(database_, key);
            found.push_back(read_text(key));
            key = next;
        }
        return found;
    }

    void make_smaller() {
        if (database_ != nullptr && gdbm_reorganize(database_) != 0)
            fail(path_ + ": " + gdbm_db_strerror(database_));
    }

    void set_aside(const std::string& why) noexcept {
        close();
        (void)::rename(path_.c_str(), (path_ + ".bad").c_str());
        log_event("", "greylist-damaged", {{"file", path_}, {"kept-as", path_ + ".bad"}, {"reason", why}});
    }

  private:
    void close() noexcept {
        if (database_ == nullptr) return;
        try {
            gdbm_close(std::exchange(database_, nullptr));
        } catch (const std::exception&) {
            // The process that finds the damage sets it aside.
        }
    }

    const std::string path_;
    Fd lock_;
    GDBM_FILE database_ = nullptr;
};

GreylistStore::GreylistStore(std::string folder, Milliseconds patience)
    : folder_(std::move(folder)), patience_(patience) {}

std::string GreylistStore::path_of(unsigned number) const {
    return fmt::format("{}/greylist.{:x}.db", folder_, number);
}

std::string GreylistStore::path_of(const std::string& key) const {
    return path_of(static_cast<unsigned>(keyed_hash(spread, key) % files));
}

std::optional<GreylistEntry> GreylistStore::find(const std::string& key) const {
    const std::string path = path_of(key);
    // A look makes no file: one that root made by looking would be closed to the sessions.
    if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT && ::access(folder_.c_str(), F_OK) == 0)
        return std::nullopt;
    File file(path, patience_);
    try {
        file.open(false);
        return file.find(key);
    } catch (const FormatError& error) {
        file.set_aside(error.what());
        return std::nullopt;
    }
}

void GreylistStore::change(const std::string& key, const Change& change) const {
    File file(path_of(key), patience_);
    if (disk::free_space(folder_) < room_for_a_change) throw_errno(ENOSPC, folder_);
    try {
        file.open(true);
        const auto before = file.find(key);
        file.put(key, change(before));
    } catch (const FormatError& error) {
        file.set_aside(error.what());
        file.open(true);
        file.put(key, change(std::nullopt));
    }
}

/// Runs `work` with the file open and locked. False: it was damaged, and is set aside.
bool GreylistStore::with_file(const std::string& path, bool may_write,
                              const std::function<void(File&)>& work) {
    File file(path, patience_of_visits);
    try {
        file.open(may_write);
        work(file);
        return true;
    } catch (const FormatError& error) {
        file.set_aside(error.what());
        return false;
    }
}

/// True if the entry went.
bool GreylistStore::visit_entry(File& file, const std::string& key, const Visit& visit, bool may_change) {
    const auto entry = file.find(key);
    if (!entry && !file.has(key)) return false;  // another process has removed it
    const auto wanted = visit(key, entry.value_or(GreylistEntry{}));
    if (!may_change) return false;
    if (!wanted || !entry || wanted->text() != entry->text()) file.put(key, wanted);
    return !wanted;
}

/// In batches: sessions find the file unlocked in between.
void GreylistStore::visit_file(const std::string& path, const Visit& visit, bool may_change,
                               const std::function<bool()>& goes_on) {
    std::vector<std::string> keys;
    bool is_whole = with_file(path, false, [&](File& file) { keys = file.keys(); });
    std::size_t gone = 0;
    for (std::size_t done = 0; is_whole && done < keys.size(); done += batch) {
        if (goes_on && !goes_on()) return;
        if (done > 0) std::this_thread::sleep_for(pause_of_visits);
        is_whole = with_file(path, may_change, [&](File& file) {
            for (std::size_t i = done; i < std::min(done + batch, keys.size()); ++i)
                gone += visit_entry(file, keys[i], visit, may_change) ? 1 : 0;
        });
    }
    if (is_whole && gone > keys.size() / 4 && keys.size() <= most_copied)
        with_file(path, true, [](File& file) { file.make_smaller(); });
}

void GreylistStore::visit(const Visit& visit, bool may_change, const std::function<bool()>& goes_on) const {
    for (unsigned number = 0; number < files && (!goes_on || goes_on()); ++number)
        visit_file(path_of(number), visit, may_change, goes_on);
}

}  // namespace postoffice
