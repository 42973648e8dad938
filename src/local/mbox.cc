// The mbox: one file, messages one behind the other, each with a "From " line in front and an empty line
// behind (RFC 4155). With escape_from the form is mboxrd, which a reader can undo.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/local/mailbox.h"
#include "postoffice/local/mbox_file.h"
#include "postoffice/local/message_copier.h"
#include "postoffice/routing/mailbox_path.h"

namespace postoffice {
namespace {

class Mbox final : public Mailbox {
  public:
    Mbox(std::string path, const MboxOptions& options)
        : options_(options),
          copier_({.from_line = true, .escape_from = options.escape_from}),
          file_(std::move(path), options.dot_lock, options.group) {}

    void begin() override;
    void append(const DeliveryStamp& stamp, int message) override;
    void finish() override;

  private:
    void cut_back_to(off_t size) noexcept;

    const MboxOptions options_;
    MessageCopier copier_;
    MboxFile file_;    // kept open between batches
    off_t start_ = 0;  // size at begin()
    off_t end_ = 0;    // size now
    std::string gap_;  // what the file lacks of an empty line at its end
};

void Mbox::begin() {
    (void)file_.lock(options_.lock_patience, MboxFile::Missing::is_created);
    try {
        // An empty one may be new: an agent that made it may have been killed at once.
        if (file_.status().st_size == 0) file_.make_name_durable();
        start_ = end_ = file_.status().st_size;
        gap_ = missing_mbox_end(file_.fd(), start_);
    } catch (...) {
        file_.close();
        throw;
    }
}

void Mbox::append(const DeliveryStamp& stamp, int message) {
    try {
        const std::string_view gap = end_ == start_ ? std::string_view(gap_) : std::string_view();
        const auto end = end_ + static_cast<off_t>(copier_.copy(gap, stamp, message, file_.fd()));
        if (options_.limit != 0 && static_cast<std::uint64_t>(end) > options_.limit)
            throw_errno(EDQUOT, file_.path());
        end_ = end;
    } catch (...) {
        cut_back_to(end_);
        throw;
    }
}

void Mbox::finish() {
    try {
        if (end_ != start_) disk::sync(file_.fd());
    } catch (...) {
        cut_back_to(start_);
        file_.close();
        throw;
    }
    file_.unlock();
}

void Mbox::cut_back_to(off_t size) noexcept {
    try {
        disk::truncate(file_.fd(), size);
    } catch (const std::exception& e) {
        // Part of a message stays. It was not acknowledged, and the next append will start on a new line.
        log_event("", "mailbox-not-truncated", {{"file", file_.path()}, {"reason", in_plain_words(e)}});
        struct stat now {};
        if (::fstat(file_.fd(), &now) == 0 && now.st_size > size) end_ = now.st_size;
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
