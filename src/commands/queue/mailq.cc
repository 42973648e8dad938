// mailq: what is in the queue, for people (in Postfix's form, which monitors know) and for programs (JSON
// with the names of postqueue -j).
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/base/trigger.h"
#include "postoffice/base/utf8.h"
#include "postoffice/commands/commands.h"
#include "postoffice/queue/drop.h"
#include "postoffice/queue/spool.h"
#include "queue_filter.h"

namespace postoffice {
namespace {

/// One message as it is listed.
struct Listed {
    std::string id;
    const char* queue = "incoming";  ///< as postqueue names them: maildrop, incoming, active, deferred, hold
    char mark = ' ';                 ///< '*' in work, '!' held, '-' waiting for its time
    std::uint64_t size = 0;
    Journal journal;
};

// Gathering

using FileId = std::pair<dev_t, ino_t>;

/// The files that some process holds a flock on. Asking the kernel's list instead of trying the locks: a lock
/// that is tried is held for a moment, and a queue run that comes by then would pass over the message.
std::set<FileId> locked_files() {
    std::set<FileId> files;
    const Fd list = disk::open_if_exists("/proc/locks", O_RDONLY);
    if (!list) return files;
    const std::string text = disk::read_all(list.get(), 64U << 20);
    for (const auto line : split(text, '\n')) {
        // "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF"
        unsigned major_number = 0, minor_number = 0;
        unsigned long long inode = 0;
        if (std::sscanf(std::string(line).c_str(), "%*s FLOCK %*s %*s %*d %x:%x:%llu", &major_number,
                        &minor_number, &inode) == 3)
            files.emplace(makedev(major_number, minor_number), inode);
    }
    return files;
}

/// nullopt for what is gone. Throws FormatError for a damaged journal, also one that ends too early.
std::optional<Listed> list_entry(const Spool& spool, const std::string& id, const std::set<FileId>& locked) {
    const Fd file = disk::open_if_exists(spool.journal_path(id), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!file) return std::nullopt;
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) throw_errno("stat " + spool.journal_path(id));
    const std::string text = disk::read_all(file.get(), 256U << 20);

    Listed entry;
    entry.id = id;
    entry.journal = parse_journal(text);
    struct stat message {};
    if (entry.journal.message_at != 0)
        entry.size = entry.journal.size.value_or(0);
    else if (::lstat(spool.message_path(id).c_str(), &message) == 0)
        entry.size = static_cast<std::uint64_t>(message.st_size);
    if (locked.contains({status.st_dev, status.st_ino})) {
        entry.queue = "active";
        entry.mark = '*';
    } else if (entry.journal.held) {
        entry.queue = "hold";
        entry.mark = '!';
    } else if (entry.journal.next_attempt > now_unix()) {
        entry.queue = "deferred";
        entry.mark = '-';
    } else if (entry.journal.attempts > 0) {
        entry.queue = "deferred";
    }
    return entry;
}

std::vector<Listed> list_entries(const Spool& spool) {
    auto items = spool.scan();
    std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    const auto locked = locked_files();
    std::vector<Listed> entries;
    for (const Spool::Item& item : items) {
        try {
            if (auto entry = list_entry(spool, item.id, locked)) entries.push_back(std::move(*entry));
        } catch (const std::runtime_error& error) {  // FormatError, std::system_error: the others are listed
            print_error("mailq: {}: {}\n", spool.journal_path(item.id), error.what());
        }
    }
    return entries;
}

std::optional<Listed> list_drop(const Spool& spool, const std::string& id, const Config& config) {
    const auto drop = open_drop(spool.drop_directory(), id, config.limits.recipients);
    if (!drop) return std::nullopt;
    Listed entry;
    entry.id = entry.journal.id = id;
    entry.queue = "maildrop";
    entry.size = drop->message_size;
    Envelope& envelope = entry.journal.envelope;
    envelope.arrived = drop->written;
    envelope.sender = drop->envelope.sender.qualified(config.identity.hostname);
    envelope.origin.submitter = fmt::format("uid {}", drop->owner);
    for (const WireEnvelope::To& to : drop->envelope.recipients) {
        const Address address = to.address.qualified(config.identity.hostname);
        envelope.recipients.push_back({address, {Destination::Mailbox{""}, address}});
    }
    entry.journal.recipients.resize(envelope.recipients.size());
    return entry;
}

/// What was submitted here and not taken in yet; nothing for a caller that may not read the folder. A server
/// takes it in at once, so there is something to miss only without one.
std::vector<Listed> list_submissions(const Spool& spool, const Config& config) {
    std::vector<Listed> entries;
    std::vector<std::string> ids;
    try {
        ids = list_drops(spool.drop_directory());
    } catch (const std::system_error& error) {
        const int code = error.code().value();
        if (code == EACCES && !is_served(config.queue.control))
            print_error("mailq: no server is running; what was submitted since then only root can list\n");
        if (code == EACCES || code == ENOENT) return entries;
        throw;
    }
    for (const std::string& id : ids) {
        try {
            if (auto entry = list_drop(spool, id, config)) entries.push_back(std::move(*entry));
        } catch (const std::runtime_error& error) {
            print_error("mailq: {}/{}: {}\n", spool.drop_directory(), id, error.what());
        }
    }
    return entries;
}

// Showing

std::string sender_text(const Listed& entry) {
    const Address& sender = entry.journal.envelope.sender;
    return sender.is_null() ? "MAILER-DAEMON" : printable(sender.to_string());
}

/// The address that a try goes to, as mailq of other systems shows it.
std::string recipient_text(const Recipient& recipient) {
    return printable(recipient.destination.address.to_string());
}

/// Why a recipient still waits; empty if nothing went wrong so far.
std::string reason_text(const RecipientState& state) {
    if (state.last.reply.text.empty()) return "";
    std::string reason = state.last.reply.line();
    if (!state.last.by.empty()) reason = state.last.by + " said: " + reason;
    return printable(reason);
}

/// "Sat Nov 21 10:00:00", in local time.
std::string short_date(UnixTime when) {
    const std::string date = rfc5322_date(when);  // "Sat, 21 Nov 2026 10:00:00 +0100"
    const auto parts = split(date, ' ');
    return fmt::format("{} {} {:>2} {}", parts[0].substr(0, 3), parts[2], parts[1], parts[4]);
}

std::size_t screen_width() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
    return 80;
}

/// When the next attempt is made.
std::string next_attempt_text(const Listed& entry, bool immediate) {
    const Journal& journal = entry.journal;
    if (std::string_view(entry.queue) == "maildrop") return "when the server takes it in";
    if (std::string_view(entry.queue) == "active") return "now";
    if (std::string_view(entry.queue) == "hold") return "after its release";
    if (journal.next_attempt > now_unix()) return short_date(journal.next_attempt);
    return immediate || journal.next_attempt != 0 ? "at once" : "with the next queue run";
}

/// Its sender chose a time before which it is not delivered (RFC 4865).
bool is_unreleased(const Listed& entry) {
    return entry.journal.envelope.parameters.scheduling.release > now_unix();
}

/// How messages are listed.
struct ListStyle {
    bool verbose = false;
    bool immediate = true;  ///< as the option of this name says
    std::size_t width = 80;
    bool hides_some = false;  ///< there are messages that the filters leave out
};

void show_details(const Listed& entry, bool immediate) {
    const Journal& journal = entry.journal;
    const Origin& origin = journal.envelope.origin;
    std::string from = origin.submitter;
    if (!origin.client_address.empty())
        from = fmt::format("{} [{}], helo {}", origin.client_name, origin.client_address, origin.helo);
    print_output("{:15}{}, {} attempt{}, next {}, from {}\n", "", entry.queue, journal.attempts,
                 journal.attempts == 1 ? "" : "s", next_attempt_text(entry, immediate), printable(from));
    if (journal.held) print_output("{:15}held: {}\n", "", printable(*journal.held));
}

constexpr std::string_view column_titles =
    "-Queue ID-----   --Size-- ----Arrival Time---- -Sender/Recipient-------\n";
constexpr std::size_t address_column = 46;

void show(const Listed& entry, const ListStyle& style) {
    const Journal& journal = entry.journal;
    print_output("{:<16} {:>8} {:<20} {}\n", entry.id + entry.mark, entry.size,
                 short_date(journal.envelope.arrived), sender_text(entry));
    if (style.verbose) show_details(entry, style.immediate);
    if (is_unreleased(entry))
        print_output("(held until {}, as the sender asked)\n",
                     short_date(journal.envelope.parameters.scheduling.release));
    std::string last_reason;
    for (std::size_t i = 0; i < journal.recipients.size(); ++i) {
        const RecipientState& state = journal.recipients[i];
        const bool waits = state.status == RecipientState::Status::waiting;
        if (!waits && !style.verbose) continue;
        const std::string reason = reason_text(state);
        if (!reason.empty() && reason != last_reason)
            print_output("({})\n", cut_utf8(reason, style.width - 2));
        last_reason = reason;
        const char* done = state.status == RecipientState::Status::delivered ? " (delivered)" : " (failed)";
        print_output("{:{}}{}{}\n", "", address_column, recipient_text(journal.envelope.recipients[i]),
                     waits ? "" : done);
    }
    print_output("\n");
}

void show_all(const std::vector<Listed>& entries, const ListStyle& style) {
    if (entries.empty()) {
        // Monitors take the second text for a queue without messages.
        print_output("{}\n", style.hides_some ? "No message matches" : "Mail queue is empty");
        return;
    }
    std::uint64_t octets = 0;
    print_output("{}", column_titles);
    for (const Listed& entry : entries) {
        show(entry, style);
        octets += entry.size;
    }
    print_output("-- {} Kbytes in {} Request{}.\n", (octets + 1023) / 1024, entries.size(),
                 entries.size() == 1 ? "" : "s");
}

/// What was moved aside, and the commands that put it back or remove it.
void show_aside(const Spool& spool, const std::vector<Spool::Aside>& aside) {
    if (aside.empty()) return;
    print_output("\n-- Damaged and moved aside, see spool(5):\n");
    for (const Spool::Aside& one : aside) {
        const std::string size =
            one.message_size ? fmt::format("{} octets", *one.message_size) : "no file of its text";
        const std::string problem = one.problem.empty() ? "nothing is wrong with it any more" : one.problem;
        print_output("{:<19} {}; {}\n", "bad" + one.id, one.is_submission ? "submission" : size,
                     printable(problem));
        const std::string back =
            one.is_submission ? spool.drop_directory() + "/" + one.id : spool.journal_path(one.id);
        print_output("    to put it back, mended:  mv {} {}\n", one.path, back);
        print_output("    to remove it:            rm {}{}\n", one.path,
                     one.message_path.empty() ? "" : " " + one.message_path);
    }
}

void show_aside_json(const Spool::Aside& one) {
    const nlohmann::ordered_json message = {{"queue_name", "corrupt"},
                                            {"queue_id", one.id},
                                            {"arrival_time", 0},
                                            {"message_size", one.message_size.value_or(0)},
                                            {"sender", ""},
                                            {"recipients", nlohmann::ordered_json::array()},
                                            {"problem", one.problem}};
    print_output("{}\n", message.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

/// With filters only what they let through: there is a filter for damaged messages.
bool shows_aside(const CommandLine& line) {
    return line.queue.filters.empty() ||
           std::any_of(line.queue.filters.begin(), line.queue.filters.end(),
                       [](const QueueFilter& filter) { return filter.field == 'L' && !filter.inverted; });
}

void show_json(const Listed& entry) {
    nlohmann::ordered_json recipients = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < entry.journal.recipients.size(); ++i) {
        const RecipientState& state = entry.journal.recipients[i];
        if (state.status != RecipientState::Status::waiting) continue;
        nlohmann::ordered_json recipient = {
            {"address", recipient_text(entry.journal.envelope.recipients[i])}};
        if (const std::string reason = reason_text(state); !reason.empty())
            recipient["delay_reason"] = reason;
        recipients.push_back(std::move(recipient));
    }
    nlohmann::ordered_json message = {{"queue_name", entry.queue},
                                      {"queue_id", entry.id},
                                      {"arrival_time", entry.journal.envelope.arrived},
                                      {"message_size", entry.size},
                                      {"sender", sender_text(entry)},
                                      {"recipients", std::move(recipients)}};
    if (is_unreleased(entry)) message["release_time"] = entry.journal.envelope.parameters.scheduling.release;
    // An address may hold octets that are not UTF-8.
    print_output("{}\n", message.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

int exit_code(const std::system_error& error) {
    const int code = error.code().value();
    if (code == ENOENT || code == ENOTDIR) return EX_UNAVAILABLE;
    if (code == EACCES || code == EPERM) return EX_NOPERM;
    return EX_OSERR;
}

}  // namespace

int list_queue(const Config& config, const CommandLine& line) {
    const Spool spool(config.queue.dir);
    std::vector<Listed> entries;
    std::vector<Spool::Aside> aside;
    try {
        become_owner_of(config.queue.dir);
        entries = list_entries(spool);
        if (shows_aside(line)) aside = spool.aside();
        for (Listed& drop : list_submissions(spool, config)) entries.push_back(std::move(drop));
    } catch (const std::system_error& error) {
        print_error("mailq: {}\n", error.what());
        return exit_code(error);
    }
    const auto hidden = std::erase_if(
        entries, [&line](const Listed& entry) { return !meets_filters(entry.journal, line.queue.filters); });
    if (line.queue.count_only || line.mode == Mode::count_queue) {
        print_output("{}\n", entries.size());
    } else if (line.json) {
        std::for_each(entries.begin(), entries.end(), show_json);
        std::for_each(aside.begin(), aside.end(), show_aside_json);
    } else {
        show_all(entries, {line.verbose, config.queue.immediate, screen_width(), hidden > 0});
        show_aside(spool, aside);
    }
    return EX_OK;
}

}  // namespace postoffice
