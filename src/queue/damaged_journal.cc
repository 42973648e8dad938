// Journals that are damaged or do not fit their messages: how they are recognized, moved aside and listed.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/base/lock.h"
#include "postoffice/base/log.h"
#include "postoffice/queue/spool.h"
#include "spool_files.h"

namespace postoffice {
namespace {

/// Seconds that a message may have arrived after the time of its file: that one may come from another host's
/// clock.
constexpr UnixTime most_ahead = 86400;

}  // namespace

/// What the journal of `id`, in the file `path`, says. Throws FormatError if it is damaged, or does not fit
/// its message.
Journal Spool::check(std::string_view text, const std::string& id, const std::string& path) const {
    if (text.empty()) throw FormatError("journal: empty");
    Journal journal = parse_journal(text);
    if (journal.id != id) throw FormatError("journal: of another message, " + journal.id);
    const auto message = journal.message_at != 0 ? std::nullopt : status_of(message_path(id));
    // Both files are written out at once, so a crash can leave a whole journal and half a message.
    if (message && journal.size && static_cast<std::uint64_t>(message->st_size) != *journal.size)
        throw FormatError(
            fmt::format("message has {} octets instead of {}", message->st_size, *journal.size));
    // Compared with the file that was written then: the clock of today may be wrong.
    const auto written = message ? std::optional<UnixTime>(message->st_mtime) : birth_time_of(path);
    if (written && journal.envelope.arrived > *written + most_ahead)
        throw FormatError("journal: the message arrived after it was written");
    return journal;
}

void Spool::set_aside(const std::string& id, const std::string& problem) const {
    const std::string journal = journal_path(id);
    const std::string aside = parent_of(journal) + "/bad" + id;
    disk::rename(journal, aside);
    log_event(id, "damaged", {{"kept-as", aside}, {"reason", problem}});
    if (on_damage_) on_damage_(id, problem);
}

std::vector<Spool::Aside> Spool::aside() const {
    std::vector<Aside> found;
    for_each_name_of_messages(directory_, [&found](const std::string& folder, DIR*, std::string_view name) {
        const std::string id(id_in(name, "bad"));
        if (!id.empty()) found.push_back({.id = id, .path = folder + "/bad" + id});
    });
    for (Aside& one : found) try {
            if (const auto message = status_of(message_path(one.id))) {
                one.message_size = static_cast<std::uint64_t>(message->st_size);
                one.message_path = message_path(one.id);
            }
            const std::string text = read_journal(disk::open(one.path, read_flags).get());
            one.is_submission = text.starts_with("postoffice drop");
            if (one.is_submission)
                one.problem = "submission: damaged";
            else if (const Journal journal = check(text, one.id, one.path); journal.message_at != 0)
                one.message_size = journal.size;
        } catch (const std::runtime_error& error) {  // FormatError, std::system_error
            one.problem = error.what();
        }
    std::sort(found.begin(), found.end(), [](const Aside& a, const Aside& b) { return a.id < b.id; });
    return found;
}

/// A journal gets its name when it is complete, so one without end mark is what a crash left of it. The
/// client may have been told that the message is queued: a person has to look.
void Spool::sweep_journal(const std::string& id, UnixTime before) const {
    const std::string path = journal_path(id);
    const auto status = status_of(path);
    if (!status || !S_ISREG(status->st_mode) || status->st_mtime > before) return;
    const Fd file = disk::open_if_exists(path, read_flags);
    const auto is_torn = [&file] {
        const std::string text = read_journal(file.get());
        return !text.empty() && journal_is_unfinished(text);
    };
    if (!file || !is_torn() || !try_lock(file.get()) || !is_named(file.get(), path) || !is_torn()) return;
    set_aside(id, "journal: no end of envelope");
}

}  // namespace postoffice
