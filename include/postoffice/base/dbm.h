// gdbm databases: a reader that survives damaged files, and a builder that replaces a whole database at once.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "postoffice/base/fd.h"

struct gdbm_file_info;

namespace postoffice {

/// A database open for reading. It is read without locks, since builders never change a file in place, and
/// without mmap, so that a file that another process truncates costs an error and not the process.
/// Not to be used on both sides of a fork: the file position is shared.
class Dbm {
  public:
    /// `file`: the database, open for reading; `name` is for messages.
    /// Throws FormatError with gdbm's text if it is not a database or damaged.
    Dbm(Fd file, const std::string& name);

    /// The value, or nullopt if there is no such key. Throws FormatError; then nothing more can be had from
    /// this database.
    std::optional<std::string> find(std::string_view key);
    /// Every entry, in no order. Throws FormatError.
    void for_each(const std::function<void(std::string key, std::string value)>& visit);

  private:
    struct Close {
        void operator()(gdbm_file_info* database) const;
    };
    std::string name_;
    std::unique_ptr<gdbm_file_info, Close> database_;
};

/// Makes a new database beside the one that is there; readers see the old one until commit(), and afterwards
/// when they open it again. Destroyed without commit(), it leaves nothing behind. Throws std::system_error,
/// or FormatError where gdbm itself gives up.
class DbmBuilder {
  public:
    /// `group` may read it if `mode` says so. `owner`: the account that root gives it to.
    DbmBuilder(std::string path, mode_t mode, gid_t group, uid_t owner = static_cast<uid_t>(-1));
    ~DbmBuilder();
    DbmBuilder(const DbmBuilder&) = delete;
    DbmBuilder& operator=(const DbmBuilder&) = delete;

    /// False if the key is there already.
    bool insert(std::string_view key, std::string_view value);
    /// Syncs and renames.
    void commit();

  private:
    [[noreturn]] void fail(const char* what) const;

    std::string path_;
    std::string temporary_;  ///< empty once committed
    Fd file_;
    gdbm_file_info* database_ = nullptr;
};

}  // namespace postoffice
