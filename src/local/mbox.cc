// The mbox: one file, messages one behind the other, each with a "From " line in front and an empty line
// behind (RFC 4155). With escape_from the form is mboxrd, which a reader can undo.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "dot_lock.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/lock.h"
#include "postoffice/base/log.h"
#include "postoffice/local/mailbox.h"
#include "postoffice/local/message_copier.h"
#include "postoffice/routing/mailbox_path.h"

namespace postoffice {
namespace {

bool same_file(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

void require_mailbox(const struct stat& status) {
    if (const auto why = unfit_as_mbox(status, ::geteuid()); !why.empty())
        throw UnfitMailbox(std::string(why));
}

class Mbox final : public Mailbox {
  public:
    Mbox(std::string path, const MboxOptions& options)
        : path_(std::move(path)),
          options_(options),
          copier_({.from_line = true, .escape_from = options.escape_from}),
          dot_lock_(options.dot_lock ? path_ + ".lock" : "", options.group) {}

    void begin() override;
    void append(const DeliveryStamp& stamp, int message) override;
    void finish() override;

  private:
    bool open_existing();
    bool create();
    void make_name_durable();
    std::string missing_newlines(off_t size) const;
    void cut_back_to(off_t size) noexcept;
    void close() noexcept;

    const std::string path_;
    const MboxOptions options_;
    MessageCopier copier_;
    DotLock dot_lock_;
    Fd file_;                  // kept between batches
    struct stat identity_ {};  // of file_
    bool is_name_durable_ = false;
    off_t start_ = 0;  // size at begin()
    off_t end_ = 0;    // size now
    std::string gap_;  // what the file lacks of an empty line at its end
};

void Mbox::begin() {
    const Deadline deadline = Deadline::after(options_.lock_patience);
    try {
        for (;;) {
            if (!file_ && !open_existing() && !create()) continue;
            if (!lock_mailbox(file_.get(), deadline, [this] { return dot_lock_.try_acquire(); }))
                throw Timeout("mailbox is locked by another program");
            // Only now does the path mean anything: until we had the lock, a mail reader could put another
            // file in its place.
            struct stat now {};
            if (::lstat(path_.c_str(), &now) == 0 && same_file(now, identity_)) {
                require_mailbox(now);
                if (now.st_size == 0) make_name_durable();
                start_ = end_ = now.st_size;
                gap_ = missing_newlines(now.st_size);
                return;
            }
            file_.reset();
            is_name_durable_ = false;
            if (deadline.passed()) throw Timeout("mailbox is replaced again and again");
        }
    } catch (...) {
        close();
        throw;
    }
}

/// False if there is none.
bool Mbox::open_existing() {
    struct stat named {};
    if (::lstat(path_.c_str(), &named) != 0) {
        if (errno == ENOENT) return false;
        throw_errno("stat " + path_);
    }
    require_mailbox(named);
    // Reading the end of the file must not look to the user's shell as if the mail had been read.
    file_ = disk::open(path_, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOATIME);
    if (::fstat(file_.get(), &identity_) != 0) throw_errno("stat " + path_);
    require_mailbox(identity_);
    return true;
}

/// False if another process created it first.
bool Mbox::create() {
    const EffectiveGroup as_mailbox_group(options_.group);
    try {
        file_ = disk::open(path_, O_RDWR | O_APPEND | O_NOFOLLOW | O_NOATIME | O_CREAT | O_EXCL, 0600);
    } catch (const std::system_error& e) {
        if (e.code().value() == EEXIST) return false;
        throw;
    }
    // Where a mailbox group owns the directory, its members (mail readers that are set-gid) expect to get in.
    if (options_.group.needed && ::fchmod(file_.get(), 0660) != 0) throw_errno("chmod " + path_);
    if (::fstat(file_.get(), &identity_) != 0) throw_errno("stat " + path_);
    return true;
}

/// Of a mailbox without mail, which may be new: an agent that made it may have been killed at once.
void Mbox::make_name_durable() {
    if (!std::exchange(is_name_durable_, true)) disk::sync_name(path_);
}

/// A crash in the middle of an append, or another program, may have left the file without its empty line.
std::string Mbox::missing_newlines(off_t size) const {
    if (size == 0) return "";
    char last[2] = {'\n', '\n'};
    const std::size_t length = size == 1 ? 1 : 2;
    const std::span<char> into(last + 2 - length, length);
    if (disk::read_at(file_.get(), into, size - static_cast<off_t>(length)) != length)
        throw_errno(EIO, "read the end of " + path_);
    if (last[1] != '\n') return "\n\n";
    return last[0] != '\n' ? "\n" : "";
}

void Mbox::append(const DeliveryStamp& stamp, int message) {
    try {
        const std::string_view gap = end_ == start_ ? std::string_view(gap_) : std::string_view();
        const auto end = end_ + static_cast<off_t>(copier_.copy(gap, stamp, message, file_.get()));
        if (options_.limit != 0 && static_cast<std::uint64_t>(end) > options_.limit)
            throw_errno(EDQUOT, path_);
        end_ = end;
    } catch (...) {
        cut_back_to(end_);
        throw;
    }
}

void Mbox::finish() {
    try {
        if (end_ != start_) disk::sync(file_.get());
    } catch (...) {
        cut_back_to(start_);
        close();
        throw;
    }
    dot_lock_.release();
    unlock_mailbox(file_.get());
}

/// Gives up all locks, too.
void Mbox::close() noexcept {
    dot_lock_.release();
    file_.reset();
    is_name_durable_ = false;
}

void Mbox::cut_back_to(off_t size) noexcept {
    try {
        disk::truncate(file_.get(), size);
    } catch (const std::exception& e) {
        // Part of a message stays. It was not acknowledged, and the next append will start on a new line.
        log_event("", "mailbox-not-truncated", {{"file", path_}, {"reason", in_plain_words(e)}});
        struct stat now {};
        if (::fstat(file_.get(), &now) == 0 && now.st_size > size) end_ = now.st_size;
    }
}

}  // namespace

MboxOptions mbox_options(const Config& config, const MailboxGroup& group) {
    return {.escape_from = config.local.escape_from, .dot_lock = config.local.dot_lock, .group = group};
}

std::unique_ptr<Mailbox> open_mbox(const std::string& path, const MboxOptions& options) {
    return std::make_unique<Mbox>(path, options);
}

std::unique_ptr<Mailbox> open_mailbox_of(const Config& config, const Account& account,
                                         const MailboxGroup& group) {
    const std::string path = mailbox_path_of(config, account);
    if (path.ends_with('/'))
        return open_maildir(path.substr(0, path.find_last_not_of('/') + 1), config.identity.hostname);
    const bool in_home = has_mailbox_in_home(config, account);
    MboxOptions options = mbox_options(config, in_home ? MailboxGroup() : group);
    options.limit = config.local.mailbox_size;
    return open_mbox(path, options);
}

std::unique_ptr<Mailbox> open_folder_of(const Config& config, const Account& account,
                                        const MailboxGroup& group, MailFolder which) {
    const UnwantedMail& option =
        which == MailFolder::forbidden ? config.access.forbidden : config.access.spam;
    if (which == MailFolder::inbox || option.action != UnwantedMail::Action::folder) return nullptr;
    const std::string& folder = option.folder;
    const bool in_home = folder.starts_with("~/") && account.uid != 0;
    if (!in_home) {
        const auto end = folder.find_last_not_of('/') + 1;
        const std::string name = folder.substr(0, end).substr(folder.substr(0, end).rfind('/') + 1);
        return open_mbox(config.local.mail_dir + "/" + account.name + ":" + name,
                         mbox_options(config, group));
    }
    const std::string path = account.home + folder.substr(1);
    if (path.ends_with('/'))
        return open_maildir(path.substr(0, path.find_last_not_of('/') + 1), config.identity.hostname);
    return open_mbox(path, mbox_options(config));
}

}  // namespace postoffice
