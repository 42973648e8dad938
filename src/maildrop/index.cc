#include "index.h"

#include <fmt/format.h>

#include <ctime>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "postoffice/base/text.h"
#include "unique_ids.h"

namespace postoffice {
namespace {

constexpr std::string_view first_text = "postoffice-pop3 1\n";
constexpr HashKey sum_key{1, 1};

std::uint64_t nanoseconds(const timespec& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

std::string sum_line(std::string_view text) {
    return fmt::format("sum {:016x}\n", keyed_hash(sum_key, text));
}

/// Reads the words of a line; once one is wrong, all are.
class Words {
  public:
    explicit Words(std::string_view line) : rest_(line) {}
    std::string_view text() {
        const std::string_view word = read_until(rest_, ' ');
        is_good_ &= !word.empty();
        return word;
    }
    std::uint64_t number() {
        const auto value = parse_number(text());
        is_good_ &= value.has_value();
        return value.value_or(0);
    }
    Hash128 hash() {
        const std::string_view word = text();
        is_good_ &= word.size() == 32;
        Hash128 value{};
        for (std::size_t i = 0; i < word.size() && is_good_; ++i) {
            const int digit = hex_value(word[i]);
            is_good_ &= digit >= 0;
            value[i / 16] = value[i / 16] << 4 | (static_cast<unsigned>(digit) & 15);
        }
        return value;
    }
    bool are_good() const { return is_good_ && rest_.empty(); }

  private:
    std::string_view rest_;
    bool is_good_ = true;
};

IndexedMessage read_indexed(Words& words) {
    IndexedMessage message;
    message.place = {words.number(), words.number(), words.number(), words.number()};
    message.octets = words.number();
    message.hash = words.hash();
    message.inode = words.number();
    message.modified = words.number();
    message.uid = words.text();
    message.name = words.text();
    return message;
}

bool are_in_order(const MessagePlace& place, std::uint64_t behind) {
    return behind <= place.start && place.start <= place.text && place.text <= place.end &&
           place.end <= place.next;
}

/// What is promised of an index whose lines were read.
bool is_consistent(const MaildropIndex& index) {
    std::unordered_set<std::string_view> uids;
    std::uint64_t behind = 0;
    for (const IndexedMessage& message : index.messages) {
        if (!is_valid_uid(message.uid) || !uids.insert(message.uid).second) return false;
        if (index.file.inode == 0) continue;
        if (!are_in_order(message.place, behind) || message.place.next > index.file.size) return false;
        behind = message.place.next;
    }
    for (const std::string& uid : index.gone)
        if (!is_valid_uid(uid)) return false;
    return index.gone.size() <= MaildropIndex::most_gone;
}

}  // namespace

std::uint64_t nanoseconds_now() {
    timespec now{};
    (void)::clock_gettime(CLOCK_REALTIME, &now);
    return nanoseconds(now);
}

FileState FileState::of(const struct stat& status) {
    return {status.st_ino, static_cast<std::uint64_t>(status.st_size), nanoseconds(status.st_mtim),
            nanoseconds(status.st_ctim)};
}

MaildropIndex MaildropIndex::without(const std::vector<bool>& deleted) const {
    MaildropIndex rest;
    rest.gone = gone;
    for (std::size_t i = 0; i < messages.size(); ++i) {
        if (deleted[i])
            rest.gone.push_back(messages[i].uid);
        else
            rest.messages.push_back(messages[i]);
    }
    while (rest.gone.size() > most_gone) rest.gone.pop_front();
    return rest;
}

std::string MaildropIndex::to_text() const {
    std::string text(first_text);
    const auto out = std::back_inserter(text);
    fmt::format_to(out, "file {} {} {} {} {}\n", file.inode, file.size, file.modified, file.changed, seen);
    for (const IndexedMessage& message : messages) {
        const MessagePlace& place = message.place;
        fmt::format_to(out, "message {} {} {} {} {} {:016x}{:016x} {} {} {} {}\n", place.start, place.text,
                       place.end, place.next, message.octets, message.hash[0], message.hash[1], message.inode,
                       message.modified, message.uid, message.name);
    }
    for (const std::string& uid : gone) fmt::format_to(out, "gone {}\n", uid);
    return text + sum_line(text);
}

std::optional<MaildropIndex> MaildropIndex::parse(std::string_view text) {
    const std::size_t sum_size = sum_line("").size();
    if (!text.starts_with(first_text) || text.size() < first_text.size() + sum_size) return std::nullopt;
    const std::string_view sum = text.substr(text.size() - sum_size);
    text.remove_suffix(sum_size);
    if (sum != sum_line(text) || !text.ends_with('\n')) return std::nullopt;
    MaildropIndex index;
    bool has_file = false;
    for (std::string_view rest = text.substr(first_text.size()); !rest.empty();) {
        Words words(read_until(rest, '\n'));
        const std::string_view kind = words.text();
        if (kind == "message" && has_file) {
            index.messages.push_back(read_indexed(words));
        } else if (kind == "gone") {
            index.gone.emplace_back(words.text());
        } else if (kind == "file" && !std::exchange(has_file, true)) {
            index.file = {words.number(), words.number(), words.number(), words.number()};
            index.seen = words.number();
        } else {
            return std::nullopt;
        }
        if (!words.are_good()) return std::nullopt;
    }
    return has_file && is_consistent(index) ? std::optional(std::move(index)) : std::nullopt;
}

}  // namespace postoffice
