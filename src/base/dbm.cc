#include "postoffice/base/dbm.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gdbm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"

namespace postoffice {
namespace {

/// gdbm calls this where it cannot go on, and ends the process if it returns: damaged files get us here.
/// Hence an exception, through frames of C that have nothing to clean up but memory.
[[noreturn]] void give_up(const char* text) {
    throw FormatError(text);
}

/// For destructors: closing can end in give_up() as well.
void close_quietly(gdbm_file_info* database) {
    try {
        gdbm_close(database);
    } catch (const FormatError&) {
    }
}

datum to_datum(std::string_view text) {
    return {const_cast<char*>(text.data()), static_cast<int>(text.size())};
}

std::string read_text(datum value) {
    const std::unique_ptr<char, decltype(&std::free)> owned(value.dptr, std::free);
    return std::string(value.dptr, static_cast<std::size_t>(value.dsize));
}

}  // namespace

void Dbm::Close::operator()(gdbm_file_info* database) const {
    close_quietly(database);
}

Dbm::Dbm(Fd file, const std::string& name) : name_(name) {
    try {
        constexpr int flags = GDBM_READER | GDBM_NOLOCK | GDBM_NOMMAP | GDBM_CLOEXEC | GDBM_XVERIFY;
        database_.reset(gdbm_fd_open(file.get(), name.c_str(), 0, flags, give_up));
    } catch (const FormatError& error) {
        throw FormatError(fmt::format("{}: {}", name, error.what()));
    }
    if (!database_) throw FormatError(fmt::format("{}: {}", name, gdbm_strerror(gdbm_errno)));
    (void)file.release();  // gdbm_close() closes it
}

std::optional<std::string> Dbm::find(std::string_view key) {
    datum value{};
    try {
        value = gdbm_fetch(database_.get(), to_datum(key));
    } catch (const FormatError& error) {
        throw FormatError(fmt::format("{}: {}", name_, error.what()));
    }
    if (value.dptr != nullptr) return read_text(value);
    if (gdbm_last_errno(database_.get()) == GDBM_ITEM_NOT_FOUND) return std::nullopt;
    throw FormatError(fmt::format("{}: {}", name_, gdbm_db_strerror(database_.get())));
}

void Dbm::for_each(const std::function<void(std::string key, std::string value)>& visit) {
    datum key{};
    const auto next = [&](datum (*step)(gdbm_file_info*, datum)) {
        const datum former = key;
        try {
            key = step(database_.get(), former);
        } catch (const FormatError& error) {
            throw FormatError(fmt::format("{}: {}", name_, error.what()));
        }
        if (key.dptr == nullptr && gdbm_last_errno(database_.get()) != GDBM_ITEM_NOT_FOUND)
            throw FormatError(fmt::format("{}: {}", name_, gdbm_db_strerror(database_.get())));
    };
    next([](gdbm_file_info* database, datum) { return gdbm_firstkey(database); });
    while (key.dptr != nullptr) {
        const datum current = key;
        const std::unique_ptr<char, decltype(&std::free)> owned(current.dptr, std::free);
        const std::string text(current.dptr, static_cast<std::size_t>(current.dsize));
        auto value = find(text);
        if (!value) throw FormatError(fmt::format("{}: it lists a key that it does not find", name_));
        visit(text, std::move(*value));
        next(gdbm_nextkey);
    }
}

namespace {

/// An error names the database, which people know, in place of the file that becomes it.
Fd open_temporary(const std::string& temporary, const std::string& path) try {
    disk::unlink_if_exists(temporary);
    return disk::open(temporary, O_RDWR | O_CREAT | O_EXCL, 0600);
} catch (const std::system_error& error) {
    throw_errno(error.code().value(), "cannot write " + path);
}

}  // namespace

DbmBuilder::DbmBuilder(std::string path, mode_t mode, gid_t group, uid_t owner)
    : path_(std::move(path)),
      temporary_(fmt::format("{}.{}", path_, ::getpid())),
      file_(open_temporary(temporary_, path_)) {
    try {
        // The group first: chown clears bits of the mode. An account that may not give the file away keeps it
        // to itself.
        if (::fchown(file_.get(), owner, group) != 0) mode &= ~static_cast<mode_t>(S_IRWXG);
        if (::fchmod(file_.get(), mode) != 0) throw_errno("chmod " + temporary_);
        // Without mmap: a full disk must be an error of write(2), not SIGBUS.
        constexpr int flags = GDBM_NEWDB | GDBM_NOLOCK | GDBM_NOMMAP | GDBM_CLOEXEC;
        database_ = gdbm_fd_open(file_.get(), temporary_.c_str(), 0, flags, give_up);
        if (!database_) fail("create");
    } catch (...) {
        ::unlink(temporary_.c_str());
        throw;
    }
    (void)file_.release();
}

DbmBuilder::~DbmBuilder() {
    if (database_) close_quietly(database_);
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

bool DbmBuilder::insert(std::string_view key, std::string_view value) {
    const int outcome = gdbm_store(database_, to_datum(key), to_datum(value), GDBM_INSERT);
    if (outcome < 0) fail("write");
    return outcome == 0;
}

void DbmBuilder::commit() {
    if (gdbm_sync(database_) != 0) fail("sync");
    disk::sync(gdbm_fdesc(database_));
    if (gdbm_close(std::exchange(database_, nullptr)) != 0) fail("close");
    disk::rename(temporary_, path_);
    temporary_.clear();
    const auto slash = path_.rfind('/');
    disk::sync_directory(slash == std::string::npos ? "." : path_.substr(0, slash + 1));
}

void DbmBuilder::fail(const char* what) const {
    const int error = database_ ? gdbm_last_syserr(database_) : errno;
    throw_errno(gdbm_check_syserr(gdbm_errno) && error != 0 ? error : EIO,
                fmt::format("{} {}: {}", what, temporary_, gdbm_strerror(gdbm_errno)));
}

}  // namespace postoffice
