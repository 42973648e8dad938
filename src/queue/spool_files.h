// The files of the spool and of drop/: how they are found by name, opened and read.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/queue/journal.h"

namespace postoffice {

/// For a file that may be replaced by a link or a FIFO.
inline constexpr int read_flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

/// All of an open journal. Throws FormatError if it is too large, std::system_error.
std::string read_journal(int fd);

/// The message of an open journal: a copy of what is in the journal, since an agent that runs as the
/// recipient must not see the envelope; else the file `path`. Throws std::system_error.
Fd open_message_of(int journal_file, const Journal& journal, const std::string& path);

/// Octets of the lines of `text` that have an end.
off_t whole_lines(std::string_view text);

/// nullopt if there is no such file. Follows no link. Throws std::system_error.
std::optional<struct stat> status_of(const std::string& path);

/// When the file was made, by the clock of then; nullopt where the file system does not say. Does not throw.
std::optional<UnixTime> birth_time_of(const std::string& path);

/// True if the path still names the open file: it may have been removed, or replaced, before it was locked.
/// Throws std::system_error.
bool is_named(int fd, const std::string& path);

/// Calls `visit` with each name in the folder, in no order. Throws std::system_error.
void for_each_name(const std::string& directory, const std::function<void(DIR*, std::string_view)>& visit);

/// The folder of the spool in which a new message with this id has its files, named by the beginning of the
/// id: one for each quarter of an hour. Ids of another form are in the spool itself.
std::string folder_for(const std::string& spool, std::string_view id);

/// The folder that has the files of this id: folder_for() it, or the spool itself, where earlier versions put
/// them. Throws std::system_error.
std::string folder_with(const std::string& spool, const std::string& id);

/// The spool itself and its folders of messages, in order. Throws std::system_error.
std::vector<std::string> folders_of(const std::string& spool);

/// for_each_name() in folders_of() the spool, with the path of the folder. One that is removed meanwhile has
/// no names.
void for_each_name_of_messages(
    const std::string& spool,
    const std::function<void(const std::string& folder, DIR*, std::string_view)>& visit);

/// The id in the name of one of our files, a prefix and a queue id; empty if it is none of that kind.
std::string_view id_in(std::string_view name, std::string_view prefix);

}  // namespace postoffice
