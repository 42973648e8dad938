// The maildir: a file for each message, written in tmp/ and moved to new/ when it is complete and synced. No
// locks: names are unique, and a reader never sees a message in the making.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <vector>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/local/mailbox.h"
#include "postoffice/local/message_copier.h"
#include "postoffice/routing/mailbox_path.h"

namespace postoffice {
namespace {

class Maildir final : public Mailbox {
  public:
    Maildir(std::string path, const std::string& hostname);
    ~Maildir() override { discard(); }

    void begin() override;
    void append(const DeliveryStamp& stamp, int message) override;
    void finish() override;

  private:
    struct Message {
        std::string name;
        Fd file;
        bool is_new = false;  // moved to new/
    };
    std::string in_tmp(const std::string& name) const { return path_ + "/tmp/" + name; }
    std::string in_new(const std::string& name) const { return path_ + "/new/" + name; }
    bool require_directory(const std::string& path);
    std::string unique_name();
    void discard() noexcept;
    void discard(const std::string& path) noexcept;

    const std::string path_;
    std::string host_part_;
    MessageCopier copier_{{}};
    unsigned long count_ = 0;
    std::vector<Message> batch_;
};

Maildir::Maildir(std::string path, const std::string& hostname) : path_(std::move(path)) {
    // '/' cannot be in a name, and ':' starts a reader's flags.
    for (const char c : hostname) host_part_ += c == '/' ? "\\057" : c == ':' ? "\\072" : std::string(1, c);
}

void Maildir::begin() {
    discard();
    // cur/ is made last, when the names of the others are durable: an agent may be killed at any time.
    struct stat status {};
    bool is_new = ::lstat((path_ + "/cur").c_str(), &status) != 0;
    for (const char* folder : {"", "/tmp", "/new"}) is_new |= require_directory(path_ + folder);
    if (is_new) {
        disk::sync_name(path_);
        disk::sync_directory(path_);
    }
    (void)require_directory(path_ + "/cur");
}

/// True if it was missing.
bool Maildir::require_directory(const std::string& path) {
    struct stat status {};
    const bool is_missing = ::lstat(path.c_str(), &status) != 0;
    if (is_missing) {
        if (errno != ENOENT) throw_errno("stat " + path);
        if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw_errno("mkdir " + path);
        if (::lstat(path.c_str(), &status) != 0) throw_errno("stat " + path);
    }
    if (const auto why = unfit_as_maildir(status, ::geteuid()); !why.empty())
        throw UnfitMailbox(std::string(why));
    return is_missing;
}

std::string Maildir::unique_name() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    return fmt::format("{}.M{:06}P{}Q{}.{}", micros / 1'000'000, micros % 1'000'000, ::getpid(), ++count_,
                       host_part_);
}

void Maildir::append(const DeliveryStamp& stamp, int message) {
    Message made{unique_name(), {}};
    made.file = disk::open(in_tmp(made.name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    try {
        copier_.copy("", stamp, message, made.file.get());
    } catch (...) {
        discard(in_tmp(made.name));
        throw;
    }
    disk::start_sync(made.file.get());
    batch_.push_back(std::move(made));
}

void Maildir::finish() {
    if (batch_.empty()) return;
    try {
        for (Message& message : batch_) disk::sync(message.file.get());
        for (Message& message : batch_) {
            disk::rename(in_tmp(message.name), in_new(message.name));
            message.is_new = true;
        }
        disk::sync_directory(path_ + "/new");
    } catch (...) {
        discard();
        throw;
    }
    batch_.clear();
}

void Maildir::discard() noexcept {
    for (const Message& message : batch_)
        discard(message.is_new ? in_new(message.name) : in_tmp(message.name));
    batch_.clear();
}

void Maildir::discard(const std::string& path) noexcept {
    try {
        disk::unlink_if_exists(path);
    } catch (const std::exception& e) {
        log_event("", "file-not-removed", {{"file", path}, {"reason", in_plain_words(e)}});
    }
}

}  // namespace

std::unique_ptr<Mailbox> open_maildir(const std::string& path, const std::string& hostname) {
    return std::make_unique<Maildir>(path, hostname);
}

}  // namespace postoffice
