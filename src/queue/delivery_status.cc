#include "postoffice/queue/delivery_status.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <system_error>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/base/text.h"
#include "postoffice/queue/spool.h"
#include "spool_files.h"

namespace postoffice {
namespace {

using Outcome = DeliveryResult::Outcome;

constexpr std::string_view suffix = ".watch";  // with it a name is no queue id, and is not taken for a drop

// A line is a word and what belongs to it, separated by tabs, which printable text has none of.
constexpr std::string_view said = "said";
constexpr std::string_view delivered_word = "delivered";
constexpr std::string_view deferred_word = "deferred";
constexpr std::string_view failed_word = "failed";

// Several may write at a time: lines that are no longer never mix (write(2) to a pipe, PIPE_BUF).
constexpr std::size_t longest_line = std::min(PIPE_BUF, 4096);

std::string fifo_name(const std::string& id) {
    return fmt::format("{}{}", id, suffix);
}

std::string fifo_path(const std::string& drop_directory, const std::string& id) {
    return fmt::format("{}/{}", drop_directory, fifo_name(id));
}

std::string_view word_for(Outcome outcome) {
    switch (outcome) {
        case Outcome::delivered:
            return delivered_word;
        case Outcome::failed:
            return failed_word;
        case Outcome::deferred:
            break;
    }
    return deferred_word;
}

bool is_fifo(int fd, struct stat& status) {
    return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

}  // namespace

StatusWriter StatusWriter::open(const std::string& drop_directory, const std::string& id) {
    if (!is_queue_id(id)) return {};
    const std::string path = fifo_path(drop_directory, id);
    // Whatever stands there: without a reader a FIFO is not opened, and nothing that can be waited for is.
    Fd fifo(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC));
    remove_status_fifo(drop_directory, id);
    struct stat status {};
    if (!fifo || !is_fifo(fifo.get(), status)) return {};
    return StatusWriter(std::move(fifo), false);
}

void StatusWriter::restrict_to(uid_t owner, bool sees_all) {
    struct stat status {};
    if (fifo_ && (!is_fifo(fifo_.get(), status) || status.st_uid != owner)) fifo_.reset();
    sees_all_ = sees_all;
}

uid_t StatusWriter::owner() const {
    struct stat status {};
    if (::fstat(fifo_.get(), &status) != 0) throw_errno("stat a status FIFO");
    return status.st_uid;
}

bool StatusWriter::has_reader() const {
    pollfd entry{fifo_.get(), 0, 0};
    return fifo_ && ::poll(&entry, 1, 0) >= 0 && (entry.revents & (POLLERR | POLLNVAL)) == 0;
}

bool StatusWriter::may_disclose(const Recipient& recipient) const {
    if (sees_all_) return true;
    const Destination& destination = recipient.destination;
    if (destination.address != recipient.original) return false;
    if (destination.is_mailbox())
        return starts_with_ignoring_case(recipient.original.local_part(), mailbox_user_of(destination));
    return destination.is<Destination::Remote>() || destination.is<Destination::Unrouted>();
}

void StatusWriter::write_transcript(std::string_view line) const {
    if (fifo_) write_line(fmt::format("{}\t{}", said, printable(line)));
}

void StatusWriter::report_outcome(const Recipient& recipient, const DeliveryResult& result) const {
    if (!fifo_) return;
    std::string line =
        fmt::format("{}\t{}", word_for(result.outcome), printable(recipient.original.to_string()));
    if (may_disclose(recipient))
        line += fmt::format("\t{}\t{}", printable(result.by), printable(result.reply.line()));
    write_line(std::move(line));
}

void StatusWriter::write_line(std::string line) const {
    if (line.size() >= longest_line) line.resize(longest_line - 1);
    line += '\n';
    (void)!::write(fifo_.get(), line.data(), line.size());  // all of it or nothing; SIGPIPE is ignored
}

std::optional<StatusLine> parse_status_line(std::string_view line) {
    const std::string_view word = read_until(line, '\t');
    StatusLine event;
    if (word == said) {
        event.text = printable(line);
        return event;
    }
    event.is_outcome = true;
    if (word == delivered_word)
        event.outcome = Outcome::delivered;
    else if (word == failed_word)
        event.outcome = Outcome::failed;
    else if (word != deferred_word)
        return std::nullopt;
    event.recipient = printable(read_until(line, '\t'));
    event.by = printable(read_until(line, '\t'));
    event.text = printable(line);
    return event;
}

Fd make_status_fifo(const std::string& drop_directory, const std::string& id) {
    const Fd folder = open_folder(drop_directory);
    const std::string name = fifo_name(id);
    if (::mkfifoat(folder.get(), name.c_str(), 0600) != 0) throw_errno("mkfifo " + name);
    try {
        Fd fifo = disk::open_in(folder.get(), name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
        // Whatever the caller's umask: the server writes as a member of the folder's group.
        if (::fchmod(fifo.get(), 0620) != 0) throw_errno("chmod " + name);
        return fifo;
    } catch (const std::system_error&) {
        (void)::unlinkat(folder.get(), name.c_str(), 0);
        throw;
    }
}

bool has_status_fifo(const std::string& drop_directory, const std::string& id) {
    struct stat status {};
    return ::lstat(fifo_path(drop_directory, id).c_str(), &status) == 0;
}

void remove_status_fifo(const std::string& drop_directory, const std::string& id) {
    try {
        (void)disk::unlink_in(open_folder(drop_directory).get(), fifo_name(id));
    } catch (const std::system_error&) {
        // sweep_status_fifos() removes it once it is old.
    }
}

unsigned sweep_status_fifos(const std::string& drop_directory, Seconds age) {
    const UnixTime before = now_unix() - age.count();
    unsigned removed = 0;
    for_each_name(drop_directory, [&](DIR*, std::string_view name) {
        if (!name.ends_with(suffix) || !is_queue_id(name.substr(0, name.size() - suffix.size()))) return;
        const std::string path = fmt::format("{}/{}", drop_directory, name);
        const auto status = status_of(path);
        if (status && status->st_mtime <= before && ::unlink(path.c_str()) == 0) ++removed;
    });
    return removed;
}

}  // namespace postoffice
