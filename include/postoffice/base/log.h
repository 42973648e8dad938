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

/// Writes one event. `id`: queue id of the message that it is about, or empty. A field without a value is
/// left out. Never throws; a line that cannot be written is lost.
void log_event(std::string_view id, LogEvent event, std::initializer_list<LogField> fields = {});

/// An event that one input can cause any number of times, such as a broken line of a file: the first lines
/// are written, and one that counts the others when this object ends.
class RepeatedEvent {
  public:
    /// `about`: what repeats it, for the last line, such as the path of the file. Keeps the view.
    RepeatedEvent(LogEvent event, LogField about) : event_(event), about_(about) {}
    ~RepeatedEvent();
    RepeatedEvent(const RepeatedEvent&) = delete;
    RepeatedEvent& operator=(const RepeatedEvent&) = delete;

    /// As log_event(), without an id.
    void log(std::initializer_list<LogField> fields);

    /// Lines that are written.
    static constexpr std::size_t most = 20;

  private:
    LogEvent event_;
    LogField about_;
    std::size_t count_ = 0;
};

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
