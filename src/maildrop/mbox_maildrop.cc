// The mbox as a maildrop. The file stays open, so that a message can be read where it was found even if
// another program puts a new file in place of this one.

#include <algorithm>
#include <deque>
#include <map>
#include <optional>

#include "kinds.h"
#include "mailbox_parser.h"
#include "mailbox_text.h"
#include "mbox_changes.h"
#include "postoffice/base/error.h"
#include "postoffice/base/file_stamp.h"
#include "postoffice/local/mbox_file.h"
#include "unique_ids.h"

namespace postoffice {
namespace {

/// The message in which mail readers keep what they know of the folder; it is no mail.
bool is_folder_data(const ParsedMessage& message) {
    return message.facts.has_folder_subject && !message.facts.folder_field.empty();
}

std::vector<ParsedMessage> parse_mbox(int file, const MailboxForm& form, std::uint64_t size) {
    std::vector<ParsedMessage> messages = parse_file(file, form, 0, size);
    if (!messages.empty() && is_folder_data(messages.front())) messages.erase(messages.begin());
    return messages;
}

class MboxMaildrop final : public Maildrop {
  public:
    MboxMaildrop(const std::string& path, const MaildropOptions& options);
    const std::vector<MaildropEntry>& entries() const override { return entries_; }
    void read(std::size_t index, const std::function<bool(std::string_view)>& sink) override;
    std::size_t update(const MaildropChanges& changes) override;

  private:
    bool is_unchanged() const;
    std::vector<std::optional<MessagePlace>> places_now(const std::vector<bool>& wanted) const;

    const MaildropOptions options_;
    const MailboxForm form_;
    MboxFile file_;
    FileStamp stamp_{};  // of the file in which the messages are at their places
    std::vector<ParsedMessage> messages_;
    std::vector<MaildropEntry> entries_;
};

MboxMaildrop::MboxMaildrop(const std::string& path, const MaildropOptions& options)
    : options_(options),
      form_{.has_from_lines = true, .escape_from = options.escape_from},
      file_(path, options.dot_lock, options.group) {
    if (!file_.lock(options_.lock_patience, MboxFile::Missing::is_left)) return;
    stamp_ = FileStamp::of(file_.status());
    messages_ = parse_mbox(file_.fd(), form_, static_cast<std::uint64_t>(stamp_.size));
    file_.unlock();
    UniqueIds ids;
    for (const ParsedMessage& message : messages_)
        entries_.push_back({message.facts.octets, ids.assign(message.facts.hash)});
}

bool MboxMaildrop::is_unchanged() const {
    struct stat now {};
    if (::fstat(file_.fd(), &now) != 0) throw_errno("stat " + file_.path());
    return FileStamp::of(now) == stamp_;
}

void MboxMaildrop::read(std::size_t index, const std::function<bool(std::string_view)>& sink) {
    const ParsedMessage& message = messages_.at(index);
    if (!is_unchanged() && read_facts(file_.fd(), form_, message.place).hash != message.facts.hash)
        throw MaildropChanged("another program has changed the mailbox");
    read_message(file_.fd(), form_, message.place, sink);
}

/// Where the messages are in the file as it is now; it is locked. Equal messages are told apart by their
/// order alone: if one of them is gone, it is taken to be one of those that are wanted.
std::vector<std::optional<MessagePlace>> MboxMaildrop::places_now(const std::vector<bool>& wanted) const {
    std::vector<std::optional<MessagePlace>> places(messages_.size());
    if (FileStamp::of(file_.status()) == stamp_) {
        for (std::size_t i = 0; i < places.size(); ++i) places[i] = messages_[i].place;
        return places;
    }
    std::map<Hash128, std::deque<MessagePlace>> found;
    const auto size = static_cast<std::uint64_t>(file_.status().st_size);
    for (const ParsedMessage& message : parse_mbox(file_.fd(), form_, size))
        found[message.facts.hash].push_back(message.place);
    for (const bool is_wanted : {false, true}) {
        for (std::size_t i = 0; i < places.size(); ++i) {
            if (wanted[i] != is_wanted) continue;
            auto& copies = found[messages_[i].facts.hash];
            if (copies.empty()) continue;
            places[i] = copies.front();
            copies.pop_front();
        }
    }
    return places;
}

std::size_t MboxMaildrop::update(const MaildropChanges& changes) {
    const auto wanted =
        static_cast<std::size_t>(std::count(changes.deleted.begin(), changes.deleted.end(), true));
    if (wanted == 0) return 0;
    if (!file_.lock(options_.lock_patience, MboxFile::Missing::is_left)) return wanted;
    const auto places = places_now(changes.deleted);
    std::vector<MboxChange> changed;
    for (std::size_t i = 0; i < places.size(); ++i)
        if (places[i] && (changes.deleted[i] || (changes.marks_read && changes.read[i])))
            changed.push_back({*places[i], changes.deleted[i]});
    std::sort(changed.begin(), changed.end(),
              [](const MboxChange& a, const MboxChange& b) { return a.place.start < b.place.start; });
    change_mbox(file_, changed);
    file_.close();
    return wanted;
}

}  // namespace

std::unique_ptr<Maildrop> open_mbox_maildrop(const std::string& path, const MaildropOptions& options) {
    return std::make_unique<MboxMaildrop>(path, options);
}

}  // namespace postoffice
