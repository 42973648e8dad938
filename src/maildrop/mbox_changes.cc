#include "mbox_changes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <thread>

#include "mailbox_text.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/lock.h"
#include "postoffice/base/log.h"
#include "replace_file.h"

namespace postoffice {
namespace {

constexpr std::uint64_t longest_marked_header = 1 << 16;

/// Writes the parts of the mailbox that stay, one behind the other.
class Copy {
  public:
    Copy(int from, int to) : from_(from), to_(to) {}
    /// Up to `offset` all stays.
    void keep_until(std::uint64_t offset) {
        disk::copy_range(from_, static_cast<off_t>(done_), static_cast<off_t>(offset - done_), to_);
        done_ = offset;
    }
    void leave_out_until(std::uint64_t offset) { done_ = offset; }
    /// The message at this place gets a new header, if its status is another one now.
    void mark_as_read(const MessagePlace& place);

  private:
    const int from_, to_;
    std::uint64_t done_ = 0;
};

void Copy::mark_as_read(const MessagePlace& place) {
    std::string text(std::min(place.next - place.text, longest_marked_header), '\0');
    text.resize(disk::read_at(from_, text, static_cast<off_t>(place.text)));
    std::string_view rest = text;
    const auto header = with_read_status(rest);
    if (!header) return;
    keep_until(place.text);
    disk::write_all(to_, header->text);
    leave_out_until(place.text + header->replaces);
}

/// How much of the file stays if all that is deleted is at its end; nullopt if it is not.
std::optional<std::uint64_t> size_without_end(std::uint64_t size, const std::vector<MboxChange>& changes) {
    for (auto change = changes.rbegin(); change != changes.rend() && change->is_deleted; ++change)
        if (change->place.next == size) size = change->place.start;
    const auto stays = [size](const MboxChange& change) {
        return change.is_deleted && change.place.start < size;
    };
    return std::none_of(changes.begin(), changes.end(), stays) ? std::optional(size) : std::nullopt;
}

/// The messages are gone when it is cut: that this lasts over a crash is not sure if the disk fails then.
void cut(MboxFile& mbox, std::uint64_t size) {
    disk::truncate(mbox.fd(), static_cast<off_t>(size));
    try {
        disk::sync(mbox.fd());
    } catch (const std::system_error& error) {
        log_event("", "mailbox-not-synced", {{"file", mbox.path()}, {"reason", in_plain_words(error)}});
    }
}

/// A program that opened the old file and waits for its lock may write to it without looking whether it still
/// is the mailbox. It gets the lock now, and what it writes is moved to the new file. The dot lock is still
/// held.
void move_late_mail(MboxFile& old, int made, Milliseconds late_writers) {
    constexpr Milliseconds patience{2'000};
    unlock_mailbox(old.fd());
    std::this_thread::sleep_for(late_writers);
    if (!lock_mailbox(old.fd(), Deadline::after(patience))) throw Timeout("the old mailbox is kept locked");
    struct stat now {};
    if (::fstat(old.fd(), &now) != 0) throw_errno("stat " + old.path());
    if (now.st_size <= old.status().st_size) return;
    if (!lock_mailbox(made, Deadline::after(patience))) throw Timeout("the new mailbox is kept locked");
    const off_t end = ::lseek(made, 0, SEEK_END);
    if (end < 0) throw_errno("seek in " + old.path());
    disk::write_all(made, missing_mbox_end(made, end));
    disk::copy_range(old.fd(), old.status().st_size, now.st_size - old.status().st_size, made);
    disk::sync(made);
}

void copy_what_stays(const MboxFile& mbox, const std::vector<MboxChange>& changes, int made) {
    Copy copy(mbox.fd(), made);
    for (const MboxChange& change : changes) {
        if (!change.is_deleted) {
            copy.mark_as_read(change.place);
            continue;
        }
        copy.keep_until(change.place.start);
        copy.leave_out_until(change.place.next);
    }
    copy.keep_until(static_cast<std::uint64_t>(mbox.status().st_size));
    const off_t size = ::lseek(made, 0, SEEK_CUR);
    if (size < 0) throw_errno("seek in " + mbox.path());
    disk::write_all(made, missing_mbox_end(made, size));
}

/// The new file is complete and durable before it has the name, so that a crash leaves one or the other.
void write_anew(MboxFile& mbox, const std::vector<MboxChange>& changes, Milliseconds late_writers) {
    ReplacementFile made(path_beside(mbox.path(), ".pop3-new"), mbox.group());
    made.take_rights_of(mbox.fd());
    copy_what_stays(mbox, changes, made.fd());
    disk::sync(made.fd());
    made.replace(mbox.path());
    try {
        disk::sync_name(mbox.path());
    } catch (const std::system_error& error) {
        log_event("", "mailbox-not-synced", {{"file", mbox.path()}, {"reason", in_plain_words(error)}});
    }
    try {
        move_late_mail(mbox, made.fd(), late_writers);
    } catch (const std::exception& error) {
        log_event("", "late-mail-not-moved", {{"file", mbox.path()}, {"reason", in_plain_words(error)}});
    }
}

}  // namespace

void change_mbox(MboxFile& mbox, const std::vector<MboxChange>& changes, Milliseconds late_writers) {
    const auto is_deleted = [](const MboxChange& change) { return change.is_deleted; };
    if (std::none_of(changes.begin(), changes.end(), is_deleted)) return;
    const auto size = static_cast<std::uint64_t>(mbox.status().st_size);
    if (const auto rest = size_without_end(size, changes))
        cut(mbox, *rest);
    else
        write_anew(mbox, changes, late_writers);
}

}  // namespace postoffice
