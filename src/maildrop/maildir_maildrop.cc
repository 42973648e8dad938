// The maildir as a maildrop. No locks: files never change, and are found again by their unique names when a
// mail reader has moved them.

#include <algorithm>

#include "kinds.h"
#include "mailbox_parser.h"
#include "mailbox_text.h"
#include "maildir_folder.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "unique_ids.h"

namespace postoffice {
namespace {

constexpr MailboxForm one_message{};

std::uint64_t size_of(int file) {
    struct stat status {};
    if (::fstat(file, &status) != 0) throw_errno("stat a message");
    return static_cast<std::uint64_t>(status.st_size);
}

class MaildirMaildrop final : public Maildrop {
  public:
    explicit MaildirMaildrop(const std::string& path);
    const std::vector<MaildropEntry>& entries() const override { return entries_; }
    void read(std::size_t index, const std::function<bool(std::string_view)>& sink) override;
    std::size_t update(const MaildropChanges& changes) override;

  private:
    struct Message {
        MaildirFolder::File file;
        Hash128 hash;
        bool is_gone = false;
    };
    template <class Use>
    bool use_file(std::size_t index, const Use& use);
    void find_all_again();

    const MaildirFolder folder_;
    std::vector<Message> messages_;
    std::vector<MaildropEntry> entries_;
};

MaildirMaildrop::MaildirMaildrop(const std::string& path) : folder_(path) {
    UniqueIds ids;
    for (const auto& [unique, file] : folder_.list()) {
        const Fd opened = folder_.open(file);
        if (!opened) continue;
        const auto facts = parse_file(opened.get(), one_message, 0, size_of(opened.get())).front().facts;
        messages_.push_back({file, facts.hash, false});
        entries_.push_back({facts.octets, ids.assign(facts.hash)});
    }
}

/// All at once: a mail reader that moves one file often moves all.
void MaildirMaildrop::find_all_again() {
    const auto files = folder_.list();
    for (Message& message : messages_) {
        const auto found = files.find(std::string(unique_name(message.file.name)));
        message.is_gone = found == files.end();
        if (!message.is_gone) message.file = found->second;
    }
}

/// Calls `use` with the file, again if it is not there under the name it had. False if it is gone.
template <class Use>
bool MaildirMaildrop::use_file(std::size_t index, const Use& use) {
    const Message& message = messages_.at(index);
    constexpr int most_moves = 5;
    for (int moves = 0; moves < most_moves && !message.is_gone; ++moves) {
        if (use(message.file)) return true;
        find_all_again();
    }
    return false;
}

void MaildirMaildrop::read(std::size_t index, const std::function<bool(std::string_view)>& sink) {
    Fd file;
    const auto open = [&](const MaildirFolder::File& named) {
        file = folder_.open(named);
        return static_cast<bool>(file);
    };
    if (!use_file(index, open)) throw MaildropChanged("another program has removed the message");
    const std::uint64_t size = size_of(file.get());
    read_message(file.get(), one_message, {0, 0, size, size}, sink);
}

std::size_t MaildirMaildrop::update(const MaildropChanges& changes) {
    std::size_t gone = 0;
    bool is_changed = false;
    try {
        for (std::size_t i = 0; i < messages_.size(); ++i) {
            if (changes.deleted[i]) {
                (void)use_file(i, [this](const MaildirFolder::File& file) { return folder_.remove(file); });
                ++gone;
            } else if (changes.marks_read && changes.read[i]) {
                (void)folder_.mark_as_seen(messages_[i].file);
            } else {
                continue;
            }
            is_changed = true;
        }
        if (is_changed) folder_.sync();
    } catch (const std::system_error& error) {
        if (gone == 0) throw;
        log_event("", "mailbox-not-synced", {{"file", folder_.path()}, {"reason", in_plain_words(error)}});
    }
    return gone;
}

}  // namespace

std::unique_ptr<Maildrop> open_maildir_maildrop(const std::string& path, const MaildropOptions& options) {
    (void)options;
    return std::make_unique<MaildirMaildrop>(path);
}

}  // namespace postoffice
