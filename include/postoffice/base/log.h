// The log: one line an event, "ID: event key=value ...", so that the story of a message is one grep.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

#include "postoffice/base/log_line.h"

namespace postoffice {

/// Where log lines go, and in which form; set by main() before any fork.
/// `where`: "syslog", "stderr", or the path of a file to append to. `tag`: the name in each line.
/// A file that cannot be opened leaves the log on syslog and says so there, unless it is one that this user
/// may not write to: users' programs log to syslog where the server has a file.
void open_log(const std::string& where, const std::string& tag, LogFormat format = LogFormat::text);

/// The same for a server that goes on, before it forks anew: a file is opened again, since another program
/// may have moved the old one away. What cannot be opened, and standard error, leave the log where it is.
void reopen_log(const std::string& where, LogFormat format = LogFormat::text);

/// Writes one event, with the priority of event_priority(). `id`: queue id, or empty. A field without a value
/// is left out. Never throws; a line that cannot be written is lost.
void log_event(std::string_view id, std::string_view event, std::initializer_list<LogField> fields = {});

/// An event that one input can cause any number of times, such as a broken line of a file: the first lines
/// are written, and one that counts the others when this object ends.
class RepeatedEvent {
  public:
    /// `about`: what repeats it, for the last line, such as the path of the file. Keeps the views.
    RepeatedEvent(std::string_view event, std::string_view about) : event_(event), about_(about) {}
    ~RepeatedEvent();
    RepeatedEvent(const RepeatedEvent&) = delete;
    RepeatedEvent& operator=(const RepeatedEvent&) = delete;

    /// As log_event(), without an id.
    void log(std::initializer_list<LogField> fields);

    /// Lines that are written.
    static constexpr std::size_t most = 20;

  private:
    std::string_view event_;
    std::string_view about_;
    std::size_t count_ = 0;
};

/// The priority of an event in syslog(3), such as LOG_CRIT: that of its row in log_events.cc, else LOG_INFO.
int event_priority(std::string_view event);

/// One audit record, mailaudit(5), as it is, or in a field of its own where the lines are JSON; to syslog
/// with priority LOG_DEBUG. Never throws.
void log_audit(std::string_view record);

/// For close_descriptors_except(), which keeps the descriptor of a log file (-1 if there is none) and gives
/// up the connection to syslog; the next line connects anew.
int log_descriptor();
void release_syslog();

/// For debugging in the foreground (-d): shown only when the log is stderr.
void log_debug(std::string_view text);

}  // namespace postoffice
