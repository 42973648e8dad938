#include "index_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <exception>
#include <utility>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/lock.h"
#include "postoffice/base/log.h"
#include "postoffice/maildrop/maildrop.h"
#include "replace_file.h"

namespace postoffice {
namespace {

constexpr off_t largest = 64 << 20;  // octets; some 400,000 messages

}  // namespace

IndexFile::IndexFile(std::string path, const MailboxGroup& group) : path_(std::move(path)), group_(group) {
    constexpr int most_attempts = 100;  // each fails only if another session has just written its index
    for (int attempt = 0; attempt < most_attempts; ++attempt)
        if (open_and_lock()) return;
    throw MaildropInUse("another session has this maildrop");
}

/// False if the file was replaced meanwhile.
bool IndexFile::open_and_lock() {
    {
        const EffectiveGroup as_mailbox_group(group_);
        file_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    }
    struct stat opened {
    }, named{};
    if (!file_) return true;
    if (::fstat(file_.get(), &opened) != 0) throw_errno("stat " + path_);
    if (!S_ISREG(opened.st_mode) || opened.st_uid != ::geteuid() || opened.st_nlink > 1) {
        file_.reset();
        return true;
    }
    if (!try_lock(file_.get())) throw MaildropInUse("another session has this maildrop");
    return ::lstat(path_.c_str(), &named) == 0 && named.st_dev == opened.st_dev &&
           named.st_ino == opened.st_ino;
}

std::optional<MaildropIndex> IndexFile::load() const {
    struct stat status {};
    if (!file_ || ::fstat(file_.get(), &status) != 0) return std::nullopt;
    if ((status.st_mode & 0077) != 0 || status.st_size > largest) return std::nullopt;
    text_.resize(static_cast<std::size_t>(status.st_size));
    text_.resize(disk::read_at(file_.get(), text_, 0));
    return MaildropIndex::parse(text_);
}

void IndexFile::save(const MaildropIndex& index) noexcept {
    try {
        const std::string text = index.to_text();
        if (text == text_ || text.size() > static_cast<std::size_t>(largest)) return;
        replace(text);
        text_ = text;
    } catch (const std::exception& error) {
        log_event("", "maildrop-index-not-written", {{"file", path_}, {"reason", in_plain_words(error)}});
    }
}

void IndexFile::replace(const std::string& text) {
    ReplacementFile made(path_ + "-new", group_);
    if (!try_lock(made.fd())) throw_errno(EWOULDBLOCK, "lock " + path_);
    disk::write_all(made.fd(), text);
    disk::sync(made.fd());
    made.replace(path_);
    file_ = made.take();
}

}  // namespace postoffice
