// How an event becomes a line of the log: text for people and grep, or a JSON object for programs.
// postoffice-log(5) describes both.
#pragma once

#include <sys/types.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/base/log_events.h"
#include "postoffice/base/log_format.h"

namespace postoffice {

struct LogField {
    LogKey key;
    std::string_view value;  ///< without one, the field is left out
};

/// Which process writes the line, and when.
struct LogStamp {
    UnixTime time;
    std::string_view tag;
    pid_t pid;
};

struct LogRecord {
    std::string_view id;  ///< queue id, or empty
    LogEvent event;
    std::initializer_list<LogField> fields = {};
};

/// Appends "2026-11-21T09:00:00Z postoffice[12]: ", which stands before a line of text that does not go to
/// syslog.
void append_stamp(std::string& line, const LogStamp& stamp);

/// Appends "ID: event key=value ...". A value is quoted where it holds blanks; a control character, and an
/// octet that is no UTF-8, becomes '?', so that nothing a client sends can forge a line.
void append_text(std::string& line, const LogRecord& record);

/// Appends a JSON object (RFC 8259) on one line. It is valid UTF-8: a control character is escaped, and an
/// octet that is no UTF-8 becomes U+FFFD.
void append_json(std::string& line, const LogStamp& stamp, const LogRecord& record);

}  // namespace postoffice
