// sendmail -M and -Q: what an administrator does to queued messages: deliver now, remove, show, hold,
// release.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <system_error>

#include "postoffice/base/clock.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/base/log.h"
#include "postoffice/base/output.h"
#include "postoffice/base/trigger.h"
#include "postoffice/commands/commands.h"
#include "postoffice/queue/spool.h"
#include "queue_filter.h"

namespace postoffice {
namespace {

/// Copies a message to standard output: its header, or its body.
void show(const Fd& file, QueueAction what) {
    std::array<char, 65536> buffer;
    bool in_body = false;
    std::string head;
    for (off_t offset = 0; const std::size_t got = disk::read_at(file.get(), buffer, offset);
         offset += static_cast<off_t>(got)) {
        std::string_view piece(buffer.data(), got);
        if (!in_body) {
            head += piece;
            const std::size_t blank = head.starts_with('\n') ? 0 : head.find("\n\n");
            if (blank == std::string::npos) continue;
            in_body = true;
            const std::size_t body = head.starts_with('\n') ? 1 : blank + 2;
            piece = what == QueueAction::show_header ? std::string_view(head).substr(0, body - 1)
                                                     : std::string_view(head).substr(body);
        }
        disk::write_all(STDOUT_FILENO, piece);
        if (in_body && what == QueueAction::show_header) return;
    }
    if (!in_body && what == QueueAction::show_header) disk::write_all(STDOUT_FILENO, head);
}

/// Without the message; of one that is damaged, all that is there.
void show_journal(const Spool& spool, const std::string& id) {
    const Fd file = disk::open(spool.journal_path(id), O_RDONLY | O_NOFOLLOW);
    std::string text = disk::read_all(file.get(), 256U << 20);
    try {
        text = journal_without_message(text);
    } catch (const FormatError&) {
        // A person asks to see it as it is.
    }
    disk::write_all(STDOUT_FILENO, text);
}

/// `caller`: told in the log, since the process may have become the spool's owner.
void change(QueueEntry& entry, const CommandLine& line, uid_t caller) {
    const bool is_held = entry.journal().held.has_value();
    switch (line.queue.action) {
        case QueueAction::remove:
            log_event(entry.id(), "removed", {{"uid", std::to_string(caller)}});
            entry.remove();
            return;
        case QueueAction::hold:
            entry.hold(line.queue.hold_reason.empty() ? "on request" : line.queue.hold_reason);
            break;
        case QueueAction::release:
            if (is_held) entry.release();
            break;
        case QueueAction::deliver:
            if (is_held) entry.release();
            entry.set_due(now_unix());
            break;
        default:
            return;
    }
    entry.sync();
}

/// 0, or 67 if there is no such message, or 71 if it is at work.
int manage(const Spool& spool, const std::string& id, const CommandLine& line, uid_t caller) {
    if (!is_queue_id(id) || ::access(spool.journal_path(id).c_str(), F_OK) != 0) {
        print_error("{}: {}: no such message in the queue\n", line.program, id);
        return 67;
    }
    if (line.queue.action == QueueAction::show_journal) return show_journal(spool, id), 0;
    if (line.queue.action == QueueAction::show_header || line.queue.action == QueueAction::show_body)
        return show(spool.open_message(id), line.queue.action), 0;
    auto entry = spool.take(id);
    if (!entry && ::access(spool.journal_path(id).c_str(), F_OK) != 0)
        return 67;  // moved aside, or just done
    if (!entry) {
        print_error("{}: {}: is being delivered\n", line.program, id);
        return 71;
    }
    change(*entry, line, caller);
    return 0;
}

int manage_selected(const Spool& spool, const CommandLine& line, uid_t caller) {
    for (const Spool::Item& item : spool.scan()) {
        auto entry = spool.take(item.id);
        if (!entry || !meets_filters(entry->journal(), line.queue.filters)) continue;
        change(*entry, line, caller);
        print_output("{}: {}\n", item.id, line.queue.action == QueueAction::hold ? "held" : "released");
    }
    return 0;
}

}  // namespace

int manage_queue(const Config& config, const CommandLine& line) {
    try {
        const Spool spool(config.queue.dir, [&line](const std::string& id, const std::string& problem) {
            print_error("{}: {}: damaged, moved aside as bad{}: {}\n", line.program, id, id, problem);
        });
        if (!spool.is_mine()) {
            print_error("{}: only root may do that to queued messages\n", line.program);
            return 77;
        }
        const uid_t caller = ::getuid();
        become_owner_of(config.queue.dir);
        int exit_code = line.words.empty() ? manage_selected(spool, line, caller) : 0;
        for (const std::string& id : line.words)
            if (const int code = manage(spool, id, line, caller); code != 0) exit_code = code;
        if (line.queue.action == QueueAction::deliver || line.queue.action == QueueAction::release)
            trigger(config.queue.control, "look");
        return exit_code;
    } catch (const std::exception& error) {
        print_error("{}: {}\n", line.program, in_plain_words(error));
        return 71;
    }
}

}  // namespace postoffice
