#include "postoffice/base/log.h"

#include <fcntl.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "postoffice/base/clock.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/folder.h"

namespace postoffice {
namespace {

static_assert(static_cast<int>(LogLevel::crit) == LOG_CRIT && static_cast<int>(LogLevel::debug) == LOG_DEBUG);

// Set by open_log() before the first fork, and by reopen_log() before another; read by all processes.
struct Log {
    enum class Where { syslog, stream } where = Where::syslog;
    Fd file;      // owns the log file
    int fd = -1;  // stream to write to
    std::string tag = "postoffice";
    LogFormat format = LogFormat::text;
    bool debug = false;
} the_log;

constexpr std::string_view on_syslog = "syslog", on_stderr = "stderr";

/// Empty, with errno set, if it cannot be opened. The folder may be another account's.
Fd open_file(const std::string& path) try {
    const RightsOfOwner rights(parent_of(path));
    return disk::open(path, O_WRONLY | O_CREAT | O_APPEND, 0640);
} catch (const std::system_error& error) {
    errno = error.code().value();
    return Fd();
}

void use_syslog() {
    the_log.where = Log::Where::syslog;
    ::openlog(the_log.tag.c_str(), LOG_PID | LOG_NDELAY, LOG_MAIL);
}

LogStamp stamp_of_now() {
    return {now_unix(), the_log.tag, ::getpid()};
}

/// With room for nearly all lines, and with what stands before a line of text.
std::string begin_line() {
    std::string line;
    line.reserve(512);
    if (the_log.where == Log::Where::stream && the_log.format == LogFormat::text)
        append_stamp(line, stamp_of_now());
    return line;
}

void write_line(LogLevel level, std::string& line) {
    if (the_log.where == Log::Where::syslog) {
        ::syslog(LOG_MAIL | static_cast<int>(level), "%s", line.c_str());
        return;
    }
    line += '\n';
    (void)!::write(the_log.fd, line.data(), line.size());
}

void write_record(const LogRecord& record) {
    std::string line = begin_line();
    if (the_log.format == LogFormat::json)
        append_json(line, stamp_of_now(), record);
    else
        append_text(line, record);
    write_line(record.event.level(), line);
}

}  // namespace

void open_log(const std::string& where, const std::string& tag, LogFormat format) {
    the_log.tag = tag;
    the_log.format = format;
    the_log.where = Log::Where::stream;
    if (where == on_stderr) {
        the_log.fd = STDERR_FILENO;
        the_log.debug = true;
        return;
    }
    if (where != on_syslog) {
        the_log.file = open_file(where);
        the_log.fd = the_log.file.get();
        if (the_log.file) return;
    }
    const int error = errno;
    use_syslog();
    // The server's file is closed to users, whose own programs write to syslog instead: that is no mistake.
    const bool is_of_others = error == EACCES && ::geteuid() != 0;
    if (where != on_syslog && !is_of_others)
        log_event("", "log-unusable", {{"file", where}, {"reason", std::strerror(error)}});
}

void reopen_log(const std::string& where, LogFormat format) {
    the_log.format = format;
    const bool is_stderr = the_log.where == Log::Where::stream && !the_log.file;
    if (is_stderr || where == on_stderr) return;
    if (where == on_syslog) {
        the_log.file.reset();
        return use_syslog();
    }
    Fd file = open_file(where);
    if (!file) return log_event("", "log-unusable", {{"file", where}, {"reason", std::strerror(errno)}});
    the_log.where = Log::Where::stream;
    the_log.file = std::move(file);
    the_log.fd = the_log.file.get();
}

void log_event(std::string_view id, LogEvent event, std::initializer_list<LogField> fields) {
    write_record({id, event, fields});
}

void RepeatedEvent::log(std::initializer_list<LogField> fields) {
    if (++count_ <= most) log_event("", event_, fields);
}

RepeatedEvent::~RepeatedEvent() {
    if (count_ > most) log_event("", event_, {about_, {"more", std::to_string(count_ - most)}});
}

void log_audit(std::string_view record) {
    if (the_log.format == LogFormat::json) return write_record({"", "audit", {{"record", record}}});
    std::string line = begin_line().append(record);
    write_line(LogEvent("audit").level(), line);
}

int log_descriptor() {
    return the_log.file.get();
}

void release_syslog() {
    if (the_log.where != Log::Where::syslog) return;
    ::closelog();  // else libc would go on writing to a number that may be another file by then
    ::openlog(the_log.tag.c_str(), LOG_PID, LOG_MAIL);
}

void log_debug(std::string_view text) {
    if (the_log.debug) log_event("", "debug", {{"text", text}});
}

}  // namespace postoffice
