// The mbox as a maildrop. The file stays open, so that a message can be read where it was found even if
// another program puts a new file in place of this one.

#include <algorithm>
#include <deque>
#include <map>
#include <optional>

#include "foreign_ids.h"
#include "index_file.h"
#include "kinds.h"
#include "mailbox_parser.h"
#include "mailbox_text.h"
#include "mbox_changes.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/local/mbox_file.h"
#include "replace_file.h"
#include "unique_ids.h"

namespace postoffice {
namespace {

/// The message in which mail readers keep what they know of the folder; it is no mail.
bool is_folder_data(const ParsedMessage& message) {
    return message.facts.has_folder_subject && !message.facts.folder_field.empty();
}

using Messages = std::vector<IndexedMessage>;

/// Without the data of the folder. `ids`: what another server may have called the messages, or empty.
Messages mail_in(const std::vector<ParsedMessage>& parsed, const std::vector<std::string>& ids) {
    Messages messages;
    for (std::size_t i = 0; i < parsed.size(); ++i) {
        const ParsedMessage& message = parsed[i];
        if (message.place.start == 0 && is_folder_data(message)) continue;
        messages.push_back(
            {message.place, message.facts.octets, message.facts.hash, 0, 0, ids.empty() ? "" : ids[i], "-"});
    }
    return messages;
}

/// Whether a From_ line is still where a message began.
bool has_from_line(int file, const MessagePlace& place) {
    std::string word("From ");
    const auto size = disk::read_at(file, word, static_cast<off_t>(place.start));
    return place.start == place.text || (size == word.size() && word == "From ");
}

/// File systems have the time of their last tick: what changed within a tick has the same time.
constexpr std::uint64_t longest_tick = 20'000'000;

/// Nothing was written to the file since the index was made.
bool is_same_mbox(const MaildropIndex& index, const FileState& state, int file) {
    return index.file == state && std::max(state.modified, state.changed) + longest_tick < index.seen &&
           (index.messages.empty() || has_from_line(file, index.messages.back().place));
}

class MboxMaildrop final : public Maildrop {
  public:
    MboxMaildrop(const std::string& path, const MaildropOptions& options);
    const std::vector<MaildropEntry>& entries() const override { return entries_; }
    void read(std::size_t index, const std::function<bool(std::string_view)>& sink) override;
    std::size_t update(const MaildropChanges& changes) override;

  private:
    void list(const std::optional<MaildropIndex>& known);
    Messages tail_behind(const MaildropIndex& known) const;
    bool is_unchanged() const;
    std::vector<std::optional<MessagePlace>> places_now(const std::vector<bool>& wanted) const;
    std::vector<MboxChange> changes_now(const MaildropChanges& changes) const;

    const MaildropOptions options_;
    const MailboxForm form_;
    const std::string ids_list_;
    IndexFile index_file_;
    MboxFile file_;
    MaildropIndex index_;  // of the file as it was when it was read
    std::vector<MaildropEntry> entries_;
};

MboxMaildrop::MboxMaildrop(const std::string& path, const MaildropOptions& options)
    : options_(options),
      form_{.has_from_lines = true, .escape_from = options.escape_from},
      ids_list_(path_beside(path, ".pop3-uids")),
      index_file_(path_beside(path, ".pop3"), options.group),
      file_(path, options.dot_lock, options.group) {
    if (!file_.lock(options_.lock_patience, MboxFile::Missing::is_left)) return;
    list(index_file_.load());
    file_.unlock();
    index_file_.save(index_);
    for (const IndexedMessage& message : index_.messages) entries_.push_back({message.octets, message.uid});
}

/// Fills the index, from what is known of the mailbox as far as that is still true. The file is locked.
void MboxMaildrop::list(const std::optional<MaildropIndex>& known) {
    const FileState state = FileState::of(file_.status());
    const std::uint64_t now = nanoseconds_now();
    if (known && is_same_mbox(*known, state, file_.fd())) {
        index_ = *known;
        return;
    }
    Messages messages = known ? tail_behind(*known) : Messages();
    if (messages.empty()) {
        const auto parsed = parse_file(file_.fd(), form_, 0, state.size);
        const bool is_first_time = !known;
        messages = mail_in(
            parsed, is_first_time ? foreign_ids_of_mbox(parsed, ids_list_) : std::vector<std::string>());
    }
    UniqueIds ids(known ? *known : MaildropIndex());
    ids.assign_to(messages);
    index_ = {state, now, std::move(messages), known ? known->gone : std::deque<std::string>()};
}

/// All messages, if mail was only appended since these were read; the last of them may have ended in the
/// middle of a line. Else none.
Messages MboxMaildrop::tail_behind(const MaildropIndex& known) const {
    const FileState state = FileState::of(file_.status());
    if (known.messages.empty() || known.file.inode != state.inode || state.size < known.file.size) return {};
    const auto is_there = [this](const IndexedMessage& message) {
        return has_from_line(file_.fd(), message.place);
    };
    if (!std::all_of(known.messages.begin(), known.messages.end(), is_there)) return {};
    const IndexedMessage& last = known.messages.back();
    const Messages tail = mail_in(parse_file(file_.fd(), form_, last.place.start, state.size), {});
    if (tail.empty() || tail.front().hash != last.hash) return {};
    Messages all(known.messages.begin(), known.messages.end() - 1);
    for (IndexedMessage& message : all) message.uid.clear();
    all.insert(all.end(), tail.begin(), tail.end());
    return all;
}

bool MboxMaildrop::is_unchanged() const {
    struct stat now {};
    if (::fstat(file_.fd(), &now) != 0) throw_errno("stat " + file_.path());
    return FileState::of(now) == index_.file;
}

void MboxMaildrop::read(std::size_t index, const std::function<bool(std::string_view)>& sink) {
    const IndexedMessage& message = index_.messages.at(index);
    if (!is_unchanged() && read_facts(file_.fd(), form_, message.place).hash != message.hash)
        throw MaildropChanged("another program has changed the mailbox");
    read_message(file_.fd(), form_, message.place, sink);
}

/// Where the messages are in the file as it is now; it is locked. Equal messages are told apart by their
/// order alone: if one of them is gone, it is taken to be one of those that are wanted.
std::vector<std::optional<MessagePlace>> MboxMaildrop::places_now(const std::vector<bool>& wanted) const {
    const Messages& messages = index_.messages;
    std::vector<std::optional<MessagePlace>> places(messages.size());
    if (is_same_mbox(index_, FileState::of(file_.status()), file_.fd())) {
        for (std::size_t i = 0; i < places.size(); ++i) places[i] = messages[i].place;
        return places;
    }
    std::map<Hash128, std::deque<MessagePlace>> found;
    const auto size = static_cast<std::uint64_t>(file_.status().st_size);
    for (const IndexedMessage& message : mail_in(parse_file(file_.fd(), form_, 0, size), {}))
        found[message.hash].push_back(message.place);
    std::map<Hash128, std::size_t> known;
    for (const IndexedMessage& message : messages) ++known[message.hash];
    for (std::size_t i = 0; i < places.size(); ++i) {
        auto& copies = found[messages[i].hash];
        auto& left = known[messages[i].hash];
        const bool is_one_gone = left-- > copies.size();
        if (copies.empty() || (is_one_gone && wanted[i])) continue;
        places[i] = copies.front();
        copies.pop_front();
    }
    return places;
}

std::size_t MboxMaildrop::update(const MaildropChanges& changes) {
    const auto wanted =
        static_cast<std::size_t>(std::count(changes.deleted.begin(), changes.deleted.end(), true));
    if (wanted == 0) return 0;
    try {
        if (file_.lock(options_.lock_patience, MboxFile::Missing::is_left)) {
            change_mbox(file_, changes_now(changes), options_.late_writers);
            index_file_.save(index_.without(changes.deleted));
        }
    } catch (...) {
        file_.close();
        throw;
    }
    file_.close();
    return wanted;
}

std::vector<MboxChange> MboxMaildrop::changes_now(const MaildropChanges& changes) const {
    const auto places = places_now(changes.deleted);
    std::vector<MboxChange> changed;
    for (std::size_t i = 0; i < places.size(); ++i)
        if (places[i] && (changes.deleted[i] || (changes.marks_read && changes.read[i])))
            changed.push_back({*places[i], changes.deleted[i]});
    std::sort(changed.begin(), changed.end(),
              [](const MboxChange& a, const MboxChange& b) { return a.place.start < b.place.start; });
    return changed;
}

}  // namespace

std::unique_ptr<Maildrop> open_mbox_maildrop(const std::string& path, const MaildropOptions& options) {
    return std::make_unique<MboxMaildrop>(path, options);
}

}  // namespace postoffice
