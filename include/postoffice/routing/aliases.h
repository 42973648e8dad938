// The aliases of this host: a gdbm database made by newaliases(8), beside the text it was made from. Without
// a database the text itself is used, so that a host without newaliases(8) runs still knows its postmaster.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/dbm.h"
#include "postoffice/routing/alias_file.h"

namespace postoffice {

/// One line of an `:include:` file.
struct IncludeLine {
    std::string value;  ///< for parse_alias_value()
    unsigned line = 0;
};

/// Those of a text that are not empty and not comments.
std::vector<IncludeLine> include_lines(std::string_view text);

class AliasTable {
  public:
    /// `source` is the text, "/etc/aliases"; the database stands beside it. Nothing is opened yet.
    /// An empty `source`: there are no aliases.
    explicit AliasTable(std::string source);

    /// Looks whether the database (or the text, if that is in use) was replaced, or this process forked,
    /// since the last call; one stat(2) if not. Call it before a series of lookups. Throws std::system_error
    /// or FormatError if there is something, but neither form can be read: temporary.
    void refresh();

    /// The value of an alias, looked up as given and in lower case; nullopt if there is none.
    /// Throws like refresh(); also FormatError "file:line: problem" for an alias with a broken line.
    std::optional<std::string> find(const std::string& name);

    const std::string& source() const { return source_; }

    /// The lines of an `:include:` file that are not empty and not comments. The file must be regular, not
    /// writable by everybody, and owned by root or by the owner of the alias file.
    /// Throws std::system_error or FormatError.
    std::vector<IncludeLine> read_include(const std::string& path) const;

  private:
    /// Tells one file from another, and from itself after a change.
    struct Stamp {
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        timespec changed{};
        pid_t process = 0;  ///< an open database must not be shared with a forked child
        bool operator==(const Stamp& other) const;
    };
    static Stamp stamp_of(const struct stat& status);

    void open_database();
    void use_source();
    void abandon_database(const std::string& problem);
    void warn_if_outdated();

    std::string source_;
    std::string database_path_;
    std::optional<Dbm> database_;
    Stamp database_stamp_;                                    ///< of the database that was last tried
    std::string database_problem_;                            ///< why it is not used
    std::map<std::string, AliasEntry, std::less<>> entries_;  ///< from the text, while that is used
    Stamp source_stamp_;
    UnixTime next_age_check_ = 0;
    timespec reported_{};  ///< the change of the text that the log was told of
};

/// The database of an alias file. The name is our own, since FILE.db beside the same text belongs to another
/// mail system of the host, which cannot read ours.
std::string alias_database(const std::string& source);

/// What a rebuild made.
struct AliasStatistics {
    std::size_t aliases = 0;
    std::size_t longest = 0;  ///< octets of the longest value
    std::size_t total = 0;    ///< octets of all values
};

/// Writes the database of `source` anew from `entries`, with the cookie "@" that marks it as complete. It can
/// be read by every account that can read the source. Throws std::system_error or FormatError; then the old
/// database stays.
AliasStatistics build_alias_database(const std::string& source, const std::vector<AliasEntry>& entries);

/// The text of an alias file. Throws std::system_error.
std::string read_alias_file(const std::string& path);

}  // namespace postoffice
