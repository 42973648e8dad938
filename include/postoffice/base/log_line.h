// How an event becomes a line of the log: text for people and grep, or a JSON object for programs.
// postoffice-log(5) describes both.
#pragma once

#include <sys/types.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "postoffice/base/clock.h"

namespace postoffice {

enum class LogFormat { text, json };

using LogField = std::pair<std::string_view, std::string_view>;

/// Which process writes the line, and when.
struct LogStamp {
    UnixTime time;
    std::string_view tag;
    pid_t pid;
};

struct LogRecord {
    std::string_view id;  ///< queue id, or empty
    std::string_view event;
    int priority;                                 ///< of syslog(3), such as LOG_INFO
    std::initializer_list<LogField> fields = {};  ///< one without a value is left out
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
