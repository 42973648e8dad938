// What changes stable storage: the one seam between postoffice and the disk. Every write of mail, every
// sync, link, rename and unlink of the spool and of mailboxes goes through here, so that the crash tests can
// stop the process before any one of them. All functions throw std::system_error.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"

namespace postoffice::disk {

/// Opens with O_CLOEXEC added.
Fd open(const std::string& path, int flags, mode_t mode = 0600);
/// A name in an open folder, which may be O_PATH: what leads to the folder is not looked at again.
Fd open_in(int folder, const std::string& name, int flags, mode_t mode = 0600);
/// The same as open(), but an empty Fd if the file does not exist.
Fd open_if_exists(const std::string& path, int flags);

/// Writes all of it, at the file's position (or end, if opened with O_APPEND).
void write_all(int fd, std::string_view bytes);
/// Data, and the metadata needed to read it back, are on stable storage when this returns (fdatasync).
void sync(int fd);
/// Starts writing the file out without waiting, so that a sync of several files waits once. A hint.
void start_sync(int fd);
/// Waits until what was started is written, without making it durable: a hint too. Where several files and
/// their folder are to be synced, the file system can then do with one commit of its journal.
void wait_written(int fd);
/// Makes the names in a directory durable.
void sync_directory(const std::string& path);
/// The same for one that is open.
void sync_opened_directory(int folder);
/// Makes the name of a file or folder durable. Where this process may not read the folder that has the name,
/// it is left to the sync of the file itself, with which Linux's file systems make a new name durable, too.
void sync_name(const std::string& path);
/// Makes a folder if it is missing. Its name is not durable yet.
void make_directory(const std::string& path, mode_t mode);
/// False if it is not empty, or not there.
bool remove_directory_if_empty(const std::string& path);
void rename(const std::string& from, const std::string& to);
/// From one open folder into another, or within one. False, and nothing done, if it is not there or the new
/// name is taken.
bool rename_in(int from_folder, const std::string& from, int to_folder, const std::string& to);
void link(const std::string& from, const std::string& to);
/// Gives a file that was opened with O_TMPFILE a name.
void link_opened(int fd, const std::string& path);
void unlink(const std::string& path);
/// False if it was not there.
bool unlink_if_exists(const std::string& path);
bool unlink_in(int folder, const std::string& name);
void truncate(int fd, off_t size);
/// Gives the file space for `octets` from `offset` on, beyond its end, which stays where it is. Where the
/// file system cannot do that, nothing happens. Throws std::system_error (ENOSPC, EDQUOT).
void reserve(int fd, off_t offset, off_t octets);
void set_modification_time(int fd, UnixTime when);

/// Reads a whole small file. Throws std::system_error (EFBIG if larger than `most` octets).
std::string read_all(int fd, std::size_t most);
/// Reads up to into.size() octets at `offset`; fewer only at end of file. Returns the number read.
std::size_t read_at(int fd, std::span<char> into, off_t offset);
/// Writes `octets` of the file `from`, from `offset` on, at the position of `to`. The file system does it
/// without reading where it can. Throws std::system_error (EIO if there are fewer).
void copy_range(int from, off_t offset, off_t octets, int to);
/// Writes all of the file `from`, whatever its position, to `to`.
void copy_all(int from, int to);

/// A descriptor, at offset 0, of an unnamed file in memory with these contents, which cannot be changed any
/// more.
Fd memory_file(std::string_view contents);
/// Whether a descriptor that came from another process is one, so that reading and closing it never waits.
bool is_memory_file(int fd);

/// Octets free for unprivileged users on the file system of `path`.
unsigned long long free_space(const std::string& path);

}  // namespace postoffice::disk
