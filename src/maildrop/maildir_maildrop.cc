// The maildir as a maildrop. No locks: files never change, and are found again by their unique names when a
// mail reader has moved them.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "foreign_ids.h"
#include "index_file.h"
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

constexpr MailboxForm whole_file{};

bool is_same_file(const IndexedMessage& known, const IndexedMessage& now) {
    return known.inode == now.inode && known.modified == now.modified && known.place.end == now.place.end;
}

/// The name of a file as one word of the index.
std::string word_of(std::string_view name) {
    std::string word;
    for (const char c : name) {
        if (c > ' ' && c != '%' && c != 0x7f)
            word += c;
        else
            word += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    }
    return word.empty() ? "%" : word;
}

/// What another server called the message, or "": by one of its lists, or by the X-UIDL field of mailutils.
std::string foreign_id_of(const std::string& unique, const MessageFacts& facts, const ForeignIds& listed) {
    const auto found = listed.find(unique);
    return found != listed.end() ? found->second : facts.uidl_field;
}

FileState state_of(int file) {
    struct stat status {};
    if (::fstat(file, &status) != 0) throw_errno("stat a message");
    return FileState::of(status);
}

class MaildirMaildrop final : public Maildrop {
  public:
    MaildirMaildrop(const std::string& path, const MaildropOptions& options);
    const std::vector<MaildropEntry>& entries() const override { return entries_; }
    void read(std::size_t index, const std::function<bool(std::string_view)>& sink) override;
    std::size_t update(const MaildropChanges& changes) override;

  private:
    struct Message {
        MaildirFolder::File file;
        bool is_gone = false;
    };
    void list(const MaildropIndex& known, const std::optional<ForeignIds>& foreign);
    std::optional<MessageFacts> facts_of(const MaildirFolder::File& file, std::uint64_t size) const;
    void assign_uids(const MaildropIndex& known);
    template <class Use>
    bool use_file(std::size_t index, const Use& use);
    void find_all_again();

    const MaildirFolder folder_;
    std::optional<IndexFile> index_file_;  // none beside a maildir that does not exist
    MaildropIndex index_;
    std::vector<Message> messages_;  // those of the index
    std::vector<MaildropEntry> entries_;
};

MaildirMaildrop::MaildirMaildrop(const std::string& path, const MaildropOptions& options) : folder_(path) {
    if (!folder_.exists()) return;
    index_file_.emplace(path + "/postoffice-pop3", options.group);
    const auto known = index_file_->load();
    list(known ? *known : MaildropIndex(),
         known ? std::nullopt : std::optional(foreign_ids_of_maildir(path)));
    index_file_->save(index_);
    for (const IndexedMessage& message : index_.messages) entries_.push_back({message.octets, message.uid});
}

/// nullopt if the file is gone.
std::optional<MessageFacts> MaildirMaildrop::facts_of(const MaildirFolder::File& file,
                                                      std::uint64_t size) const {
    const Fd opened = folder_.open(file);
    if (!opened) return std::nullopt;
    return parse_file(opened.get(), whole_file, 0, size).front().facts;
}

/// Reads the files that are not known as they are now. `foreign`: where no session was here before.
void MaildirMaildrop::list(const MaildropIndex& known, const std::optional<ForeignIds>& foreign) {
    std::unordered_map<std::string_view, const IndexedMessage*> by_name;
    for (const IndexedMessage& message : known.messages) by_name.emplace(message.name, &message);
    for (const auto& [unique, file] : folder_.list()) {
        const std::string name = word_of(unique);
        const auto found = by_name.find(name);
        const auto state = folder_.state_of(file);
        if (!state) continue;
        IndexedMessage message{
            {0, 0, state->size, state->size}, 0, {}, state->inode, state->modified, "", name};
        if (found != by_name.end() && is_same_file(*found->second, message)) {
            message = *found->second;
        } else {
            const auto facts = facts_of(file, state->size);
            if (!facts) continue;
            message.octets = facts->octets;
            message.hash = facts->hash;
            // Files that were copied to another host have the same names.
            if (found != by_name.end() && found->second->hash == facts->hash)
                message.uid = found->second->uid;
            if (foreign) message.uid = foreign_id_of(unique, *facts, *foreign);
        }
        index_.messages.push_back(std::move(message));
        messages_.push_back({file, false});
    }
    index_.gone = known.gone;
    assign_uids(known);
}

/// To those that have none. What is known of files that are gone may be true of others with the same text: a
/// file that was copied may have another name.
void MaildirMaildrop::assign_uids(const MaildropIndex& known) {
    std::unordered_set<std::string_view> taken;
    for (const IndexedMessage& message : index_.messages) taken.insert(message.uid);
    UniqueIds ids;
    for (const std::string& uid : known.gone) ids.retire(uid);
    for (const IndexedMessage& message : known.messages)
        if (!taken.contains(message.uid)) ids.remember(message.hash, message.uid);
    ids.assign_to(index_.messages);
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
    const std::uint64_t size = state_of(file.get()).size;
    read_message(file.get(), whole_file, {0, 0, size, size}, sink);
}

std::size_t MaildirMaildrop::update(const MaildropChanges& changes) {
    std::vector<bool> gone(messages_.size());
    const auto count = [&gone] {
        return static_cast<std::size_t>(std::count(gone.begin(), gone.end(), true));
    };
    bool is_changed = false;
    try {
        for (std::size_t i = 0; i < messages_.size(); ++i) {
            if (changes.deleted[i]) {
                (void)use_file(i, [this](const MaildirFolder::File& file) { return folder_.remove(file); });
                gone[i] = true;
            } else if (changes.marks_read && changes.read[i]) {
                is_changed |= folder_.mark_as_seen(messages_[i].file);
            }
        }
        if (is_changed || count() > 0) folder_.sync();
    } catch (const std::system_error& error) {
        if (count() == 0) throw;
        log_event("", "mailbox-not-synced", {{"file", folder_.path()}, {"reason", in_plain_words(error)}});
    }
    if (index_file_ && count() > 0) index_file_->save(index_.without(gone));
    return count();
}

}  // namespace

std::unique_ptr<Maildrop> open_maildir_maildrop(const std::string& path, const MaildropOptions& options) {
    return std::make_unique<MaildirMaildrop>(path, options);
}

}  // namespace postoffice
