#include "foreign_ids.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "maildir_folder.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t largest_list = 64 << 20;  // octets

/// "" if there is no such file of this user.
std::string contents_of(const std::string& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return "";
    if (status.st_uid != ::geteuid() || status.st_size > static_cast<off_t>(largest_list)) return "";
    return disk::read_all(file.get(), largest_list);
}

std::optional<std::uint64_t> number_behind(char mark, std::string_view word) {
    return word.starts_with(mark) ? parse_number(word.substr(1)) : std::nullopt;
}

/// As Dovecot writes it without pop3_uidl_format; its X stands for small letters.
std::string dovecot_id(std::uint64_t number, std::uint64_t validity) {
    return fmt::format("{:08x}{:08x}", number, validity);
}

/// What the fields of the messages of an mbox say, one message after the other.
class IdsInFields {
  public:
    /// `folder_field`: of the first message, "VALIDITY LAST-NUMBER". mailutils fills it with blanks.
    explicit IdsInFields(std::string_view folder_field)
        : is_of_mailutils_(folder_field.find("  ") != std::string_view::npos),
          validity_(parse_number(read_until(folder_field, ' '))) {}

    /// The id of the next message, or "". mailutils numbers messages, too, but tells clients what X-UIDL has.
    std::string next(const MessageFacts& facts) {
        const auto number = parse_number(facts.uid_field);
        // Numbers increase; what does not came with the message from another folder, or from its sender.
        const bool is_numbered = validity_ && number && *number > last_;
        if (is_numbered) last_ = *number;
        const bool has_told_field = is_of_mailutils_ && !facts.uidl_field.empty();
        return is_numbered && !has_told_field ? dovecot_id(*number, *validity_) : facts.uidl_field;
    }

  private:
    const bool is_of_mailutils_;
    const std::optional<std::uint64_t> validity_;
    std::uint64_t last_ = 0;
};

/// The word behind the last blank, which is taken off the line.
std::string_view last_word(std::string_view& line) {
    const auto blank = line.rfind(' ');
    const std::string_view word = blank == std::string_view::npos ? "" : line.substr(blank + 1);
    line = line.substr(0, blank == std::string_view::npos ? 0 : blank);
    return word;
}

}  // namespace

ForeignIds read_dovecot_uidlist(std::string_view text) {
    ForeignIds ids;
    std::string_view header = read_until(text, '\n');
    if (read_until(header, ' ') != "3") return ids;
    const auto validity = number_behind('V', read_until(header, ' '));
    while (validity && !text.empty()) {
        std::string_view line = read_until(text, '\n');
        const std::string_view fields = line.substr(0, line.find(" :"));
        if (fields.size() == line.size()) continue;
        const std::string_view name = line.substr(fields.size() + 2);
        std::string_view rest = fields;
        const auto number = parse_number(read_until(rest, ' '));
        std::string id = number ? dovecot_id(*number, *validity) : "";
        while (number && !rest.empty())
            if (const std::string_view field = read_until(rest, ' '); field.starts_with('P'))
                id = field.substr(1);
        if (!id.empty()) ids.emplace(unique_name(name), std::move(id));
    }
    return ids;
}

ForeignIds read_courier_sizelist(std::string_view text) {
    ForeignIds ids;
    const std::string_view header = read_until(text, '\n');
    if (!header.starts_with("/2 ") && !header.starts_with("/3 ")) return ids;
    while (!text.empty()) {
        std::string_view line = read_until(text, '\n');
        std::string_view numbers = last_word(line);
        (void)last_word(line);  // the size
        const auto number = parse_number(read_until(numbers, ':'));
        const auto validity = parse_number(read_until(numbers, ':'));
        if (number && validity && !line.empty())
            ids.emplace(unique_name(line), fmt::format("UID{}-{}", *number, *validity));
    }
    return ids;
}

ForeignIds read_plain_ids(std::string_view text) {
    ForeignIds ids;
    while (!text.empty()) {
        std::string_view line = trim(read_until(text, '\n'));
        if (line.empty() || line.starts_with('#')) continue;
        const std::string_view id = last_word(line);
        if (!id.empty()) ids.emplace(unique_name(trim(line)), id);
    }
    return ids;
}

ForeignIds foreign_ids_of_maildir(const std::string& path) {
    ForeignIds ids = read_plain_ids(contents_of(path + "/postoffice-pop3-uids"));
    ids.merge(read_dovecot_uidlist(contents_of(path + "/dovecot-uidlist")));
    ids.merge(read_courier_sizelist(contents_of(path + "/courierpop3dsizelist")));
    return ids;
}

std::vector<std::string> foreign_ids_of_mbox(const std::vector<ParsedMessage>& messages,
                                             const std::string& list) {
    if (messages.empty()) return {};
    const ForeignIds listed = read_plain_ids(contents_of(list));
    IdsInFields in_fields(messages.front().facts.folder_field);
    std::vector<std::string> ids;
    for (const ParsedMessage& message : messages) {
        std::string id = in_fields.next(message.facts);
        const auto found = listed.find(std::to_string(ids.size() + 1));
        ids.push_back(found != listed.end() ? found->second : std::move(id));
    }
    return ids;
}

}  // namespace postoffice
