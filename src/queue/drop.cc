#include "postoffice/queue/drop.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "parameter_lines.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/queue/spool.h"
#include "spool_files.h"

namespace postoffice {
namespace {

/// The first line: "postoffice drop 1 envelope OCTETS message OCTETS". The envelope is the lines after it up
/// to and with a blank one. A file is finished when it is as long as that says: one sync makes it so for
/// good, and no state between is mistaken for it.
constexpr std::string_view first_words = "postoffice drop 1 envelope ";
constexpr std::string_view middle_word = " message ";
constexpr std::size_t longest_first_line = 80;  // two numbers of twenty digits

constexpr std::uint64_t largest_message = std::uint64_t{1} << 50;

/// Most octets for one recipient: "to: ", brackets, newline, a path with every octet quoted, and the wishes
/// of the sender, with an ORCPT in which all characters are escaped.
constexpr std::size_t longest_recipient =
    8 + 2 * (max_local_part + max_domain + 3) + 40 + most_kept_original_recipient;
/// The lines besides recipients.
constexpr std::size_t longest_rest = 1024;

enum class Progress { finished, unfinished, damaged };

struct FirstLine {
    Progress progress = Progress::damaged;
    std::size_t length = 0;  // with newline
    std::uint64_t envelope = 0;
    std::uint64_t message = 0;
};

FirstLine read_first_line(int fd, std::uint64_t file_size) {
    char buffer[longest_first_line];
    std::string_view line(buffer, disk::read_at(fd, buffer, 0));
    const auto newline = line.find('\n');
    if (newline == std::string_view::npos) {
        const auto common = std::min(line.size(), first_words.size());
        const bool like_ours = line.substr(0, common) == first_words.substr(0, common);
        return {like_ours && line.size() < longest_first_line ? Progress::unfinished : Progress::damaged};
    }
    line = line.substr(0, newline);
    if (!line.starts_with(first_words)) return {};
    line.remove_prefix(first_words.size());
    const auto middle = line.find(middle_word);
    if (middle == std::string_view::npos) return {};
    const auto envelope = parse_number(line.substr(0, middle));
    const auto message = parse_number(line.substr(middle + middle_word.size()));
    if (!envelope || !message || *envelope > largest_message || *message > largest_message) return {};

    FirstLine result{Progress::damaged, newline + 1, *envelope, *message};
    const std::uint64_t promised = result.length + result.envelope + result.message;
    if (file_size <= promised)
        result.progress = file_size == promised ? Progress::finished : Progress::unfinished;
    return result;
}

/// Opens what any user may have put there. Empty if it is gone, or not (yet) readable.
Fd open_foreign(const std::string& path) {
    try {
        return disk::open_if_exists(path, read_flags);
    } catch (const std::system_error& error) {
        const int code = error.code().value();
        if (code == ELOOP || code == ENXIO) throw FormatError("drop: not a regular file");
        if (code == EACCES) return Fd();  // its writer has not come to giving it to the group
        throw;
    }
}

struct stat regular_status(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) throw_errno("stat drop");
    if (!S_ISREG(status.st_mode)) throw FormatError("drop: not a regular file");
    if (status.st_nlink > 1) throw FormatError("drop: has several names");
    return status;
}

/// One line of a drop's envelope holds an address as it goes on the wire.
std::string address_line(std::string_view key, const Address& address, const RecipientWishes& wishes = {}) {
    std::string text = fmt::format("{}: <{}>", key, address.to_string());
    if (wishes.notify.is_given()) text += " NOTIFY=" + wishes.notify.text();
    if (!wishes.original_recipient.empty()) text += " ORCPT=" + wishes.original_recipient;
    if (printable(text) != text) throw_errno(EINVAL, "address with control characters");
    return text + "\n";
}

std::string handover_line(std::string_view key, const std::string& value) {
    if (value.empty()) return "";
    if (printable(value) != value) throw_errno(EINVAL, std::string(key) + " with control characters");
    return fmt::format("{}: {}\n", key, value);
}

std::string envelope_text(const WireEnvelope& envelope) {
    std::string text = address_line("from", envelope.sender);
    text += handover_line("received-with", envelope.handover.protocol);
    text += handover_line("received-from", envelope.handover.host);
    text += parameter_lines(envelope.parameters);
    for (const WireEnvelope::To& to : envelope.recipients) text += address_line("to", to.address, to.wishes);
    return text + "\n";
}

Path parse_address_line(std::string_view value, bool allow_null) {
    auto path = parse_path(value, {allow_null, true, false});
    if (!path) throw FormatError("drop: bad address: " + path.problem());
    return std::move(*path);
}

Address parse_from_line(std::string_view value) {
    const Path path = parse_address_line(value, true);
    if (!path.parameters.empty()) throw FormatError("drop: something behind the sender");
    return path.address;
}

WireEnvelope::To parse_to_line(std::string_view value) {
    const Path path = parse_address_line(value, false);
    RecipientWishes wishes;
    for (std::string_view rest = path.parameters; !rest.empty();) {
        std::string_view word = read_until(rest, ' ');
        const auto keyword = read_until(word, '=');
        if (keyword == "NOTIFY") {
            const auto notify = parse_notify(word);
            if (!notify) throw FormatError("drop: bad NOTIFY");
            wishes.notify = *notify;
        } else if (keyword == "ORCPT") {
            const auto original = parse_original_recipient(word);
            if (!original) throw FormatError("drop: bad ORCPT");
            wishes.original_recipient = *original;
        } else {
            throw FormatError("drop: something behind a recipient");
        }
    }
    return {path.address, wishes};
}

std::string parse_handover(std::string_view value) {
    if (value.size() > max_domain || printable(value) != value) throw FormatError("drop: bad text in a line");
    return std::string(value);
}

WireEnvelope parse_envelope(std::string_view text, std::size_t most_recipients) {
    if (!text.ends_with("\n\n")) throw FormatError("drop: no blank line behind the envelope");
    text.remove_suffix(1);
    WireEnvelope envelope;
    bool has_sender = false;
    while (!text.empty()) {
        std::string_view value = read_until(text, '\n');
        const std::string_view key = read_until(value, ':');
        if (!value.starts_with(' ')) throw FormatError("drop: bad line in the envelope");
        value.remove_prefix(1);
        if (key == "from" && !has_sender) {
            envelope.sender = parse_from_line(value);
            has_sender = true;
        } else if (key == "to") {
            if (envelope.recipients.size() == most_recipients) throw FormatError("drop: too many recipients");
            envelope.recipients.push_back(parse_to_line(value));
        } else if (key == "received-with") {
            envelope.handover.protocol = parse_handover(value);
        } else if (key == "received-from") {
            envelope.handover.host = parse_handover(value);
        } else if (!read_parameter_line(key, value, envelope.parameters)) {
            throw FormatError("drop: bad line in the envelope");
        }
    }
    if (!has_sender) throw FormatError("drop: no sender");
    if (envelope.recipients.empty()) throw FormatError("drop: no recipients");
    return envelope;
}

/// The set-gid bit of the folder does that; where it was taken away, root at least can.
void give_to_group_of(int folder, int file) {
    struct stat wanted {
    }, given{};
    if (::fstat(folder, &wanted) == 0 && ::fstat(file, &given) == 0 && wanted.st_gid != given.st_gid)
        (void)!::fchown(file, static_cast<uid_t>(-1), wanted.st_gid);
}

/// True for the file to which a large message grows while its writer reads it: see Message.
bool is_being_read(std::string_view name) {
    return name.starts_with("tm");
}

/// Names of everything in the folder that may be ours, in order.
std::vector<std::string> ids_in(const std::string& drop_directory) {
    std::vector<std::string> ids;
    for_each_name(drop_directory, [&ids](DIR*, std::string_view name) {
        if (is_queue_id(name)) ids.emplace_back(name);
    });
    std::sort(ids.begin(), ids.end());
    return ids;
}

/// How far a file in the folder is; nullopt if it is gone or cannot be read.
std::optional<Progress> progress_of(const std::string& path) {
    try {
        const Fd file = open_foreign(path);
        if (!file) return std::nullopt;
        const auto size = static_cast<std::uint64_t>(regular_status(file.get()).st_size);
        return read_first_line(file.get(), size).progress;
    } catch (const FormatError&) {
        return Progress::damaged;
    }
}

}  // namespace

std::string write_drop(const std::string& drop_directory, const WireEnvelope& envelope, Message& message,
                       const std::string& given_id) {
    const std::string text = envelope_text(envelope);
    const std::string id = given_id.empty() ? Spool::new_id() : given_id;
    const Fd folder = open_folder(drop_directory);
    const Fd source = message.open_for_reading();
    const Fd file = disk::open_in(folder.get(), id, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0640);
    try {
        give_to_group_of(folder.get(), file.get());
        if (::fchmod(file.get(), 0640) != 0) throw_errno("chmod " + id);  // whatever the caller's umask
        disk::write_all(file.get(), fmt::format("{}{}{}{}\n{}", first_words, text.size(), middle_word,
                                                message.size(), text));
        disk::copy_all(source.get(), file.get());
        disk::sync(file.get());
        disk::sync_name(drop_directory + "/" + id);
    } catch (const std::system_error&) {
        try {
            disk::unlink_in(folder.get(), id);
        } catch (const std::system_error&) {
            // The first failure is the one to tell.
        }
        throw;
    }
    return id;
}

std::vector<std::string> list_drops(const std::string& drop_directory) {
    std::vector<std::string> ids = ids_in(drop_directory);
    std::erase_if(ids, [&](const std::string& id) {
        if (is_being_read(id)) return true;
        const auto progress = progress_of(drop_directory + "/" + id);
        return !progress || *progress == Progress::unfinished;
    });
    return ids;
}

std::optional<uid_t> drop_owner(const std::string& drop_directory, const std::string& id) {
    struct stat status {};
    if (::lstat((drop_directory + "/" + id).c_str(), &status) != 0) return std::nullopt;
    return status.st_uid;
}

std::optional<Drop> open_drop(const std::string& drop_directory, const std::string& id,
                              std::size_t most_recipients) {
    if (!is_queue_id(id) || is_being_read(id)) return std::nullopt;
    Drop drop;
    drop.file = open_foreign(drop_directory + "/" + id);
    if (!drop.file) return std::nullopt;
    const struct stat status = regular_status(drop.file.get());
    const FirstLine first = read_first_line(drop.file.get(), static_cast<std::uint64_t>(status.st_size));
    if (first.progress == Progress::unfinished) return std::nullopt;
    if (first.progress == Progress::damaged) throw FormatError("drop: bad first line or size");
    if (first.envelope > (most_recipients + 2) * longest_recipient + longest_rest)
        throw FormatError("drop: envelope too long");

    // Read once, then parsed from memory: its owner may be changing it.
    std::string text(static_cast<std::size_t>(first.envelope), '\0');
    text.resize(disk::read_at(drop.file.get(), text, static_cast<off_t>(first.length)));
    drop.envelope = parse_envelope(text, most_recipients);
    drop.message_size = first.message;
    drop.owner = status.st_uid;
    drop.written = status.st_mtime;
    const auto start = static_cast<off_t>(first.length + first.envelope);
    if (::lseek(drop.file.get(), start, SEEK_SET) != start) throw_errno("seek drop");
    return drop;
}

unsigned sweep_drops(const std::string& drop_directory, Seconds age) {
    const UnixTime before = now_unix() - age.count();
    unsigned removed = 0, unreadable = 0;
    for (const std::string& id : ids_in(drop_directory)) {
        const std::string path = drop_directory + "/" + id;
        struct stat status {};
        if (::lstat(path.c_str(), &status) != 0 || status.st_mtime > before) continue;
        const auto progress = progress_of(path);
        // The writer gives it to the group first. A file with contents that still cannot be read is mail of
        // which the submitter was told that it is queued.
        if (!progress && status.st_size > 0 && !is_being_read(id)) {
            if (++unreadable <= RepeatedEvent::most)
                log_event(id, "submission-unreadable",
                          {{"file", path}, {"remedy", "see the groups of file and folder"}});
            continue;
        }
        const bool unfinished = is_being_read(id) || !progress || *progress == Progress::unfinished;
        if (unfinished && disk::unlink_if_exists(path)) ++removed;
    }
    return removed;
}

}  // namespace postoffice
