// The vocabulary of the log: every event and every key of a field, in the order of postoffice-log(5), which a
// test compares with this file. A name that is in neither table does not compile.
#pragma once

#include <array>
#include <string_view>

namespace postoffice {

/// The priorities of syslog(3), under the names of syslog.conf(5).
enum class LogLevel {
    crit = 2,     ///< a part of the server is gone
    err = 3,      ///< what should work does not; mail waits or is refused until that is mended
    warning = 4,  ///< the administrator may want to look
    notice = 5,   ///< mail or a client was refused, and what the server does as a whole
    info = 6,     ///< the ordinary course of mail
    debug = 7,
};

constexpr std::string_view name_of(LogLevel level) {
    switch (level) {
        case LogLevel::crit:
            return "crit";
        case LogLevel::err:
            return "err";
        case LogLevel::warning:
            return "warning";
        case LogLevel::notice:
            return "notice";
        case LogLevel::info:
            return "info";
        case LogLevel::debug:
            break;
    }
    return "debug";
}

struct LogEventRow {
    std::string_view name;
    LogLevel level;
    std::string_view keys;  ///< that it may have, with blanks between them
    std::string_view meaning;
};

struct LogKeyRow {
    std::string_view name;
    bool is_number;  ///< a number in JSON, too
    std::string_view meaning;
};

// clang-format off
inline constexpr auto log_keys = std::to_array<LogKeyRow>({
    {"action",       false, "What becomes of unwanted mail, or of its client."},
    {"alias",        false, "An alias."},
    {"argument",     false, "What the client sent behind the command."},
    {"changes",      false, "What a filter changed of the message."},
    {"child",        true,  "Process id of the process."},
    {"client",       false, "NAME[ADDRESS]; unknown in place of the name where DNS does not confirm one; stdin for a program."},
    {"clients",      true,  "Clients that are served at a time."},
    {"command",      false, "The SMTP command, the last one where a session ends; or the program that was run."},
    {"connections",  true,  "Connections to the domain."},
    {"count",        true,  "How many."},
    {"delay",        false, "Time since the message arrived."},
    {"domain",       false, "A domain."},
    {"fetched",      true,  "Messages that a POP3 client was sent as a whole."},
    {"file",         false, "A file or a folder."},
    {"filter",       false, "Socket of a filter, as filter= has it."},
    {"from",         false, "Envelope sender; <> is the null sender."},
    {"helo",         false, "What the client called itself."},
    {"host",         false, "This host where it starts; else the one that took, deferred or refused the message."},
    {"instead",      false, "What is used in its place."},
    {"kept",         true,  "Entries, or messages, that were kept."},
    {"kept-as",      false, "Where it is kept for the administrator."},
    {"limit",        true,  "How many descriptors the system allows."},
    {"line",         true,  "Line of the file."},
    {"listen",       false, "Address and port on which the server listens."},
    {"login",        false, "Name with which the client logged in, or tried to."},
    {"mark",         false, "REJECT or SPAM, or [DENY] or [SPAM] for a message that goes to the folder of forbidden= or spam=."},
    {"member",       false, "Member of the alias."},
    {"more",         true,  "How many such lines were not written."},
    {"needed",       true,  "How many descriptors are needed."},
    {"new-target",   false, "Destinations of the recipient now."},
    {"next",         false, "What the server does about it."},
    {"nrcpt",        true,  "Number of recipients."},
    {"output",       false, "What the program wrote."},
    {"process",      false, "Title of a process of the server."},
    {"program",      false, "Name under which the program was called."},
    {"proto",        false, "Protocol by which the message came, as in its Received field."},
    {"reason",       false, "Why."},
    {"received-as",  false, "Id that the client was told, if it is another one."},
    {"record",       false, "One record of mailaudit(5)."},
    {"remedy",       false, "What the administrator can do."},
    {"removed",      true,  "Entries that were removed."},
    {"reply",        false, "What the client was answered, or what a host or a delivery agent answered."},
    {"report-on",    false, "Id of the message that the report is about."},
    {"result",       false, "done or denied; clean or unwanted."},
    {"served-for",   false, "How long the process has served the client without a pause."},
    {"service",      false, "A policy service, by its address or path in policy-service=."},
    {"sessions",     true,  "Clients that came since the listener began."},
    {"silent",       true,  "Clients that say nothing and are held by the listener."},
    {"size",         true,  "Octets of the message."},
    {"socket",       false, "Name of a socket that the service manager passed on."},
    {"stage",        false, "Stage of SMTP or of the milter protocol at which a policy service or filter was asked; message for the text as a whole."},
    {"state",        false, "on or off; of a listener, serving or leaving."},
    {"status",       false, "How the process ended: exit and its status, or signal and its number."},
    {"step",         false, "How far the clock was set back."},
    {"submitter",    false, "Account that submitted the message on this host, or the message that the report is on."},
    {"target",       false, "Destination of the recipient: a user, an address, a program or a file."},
    {"text",         false, "Text for developers."},
    {"title",        false, "What the process does, as ps shows it."},
    {"tls",          false, "Version and cipher."},
    {"tls-policy",   false, "Level of TLS that is wanted of the host, or the policy that says so."},
    {"to",           false, "Recipient."},
    {"took",         false, "How long it took: a filter for the text of the message, a policy service, or the program of av=."},
    {"uid",          true,  "User id of the account that called the program."},
    {"user",         false, "Account, or virtual user, that the mailbox, file or process is for."},
    {"verdict",      false, "accept, tempfail, reject or discard."},
    {"version",      false, "Version of postoffice."},
});

inline constexpr auto log_events = std::to_array<LogEventRow>({
    // The server
    {"started",                LogLevel::notice,  "version host file",
        "The server has started."},
    {"reloaded",               LogLevel::notice,  "file",
        "The configuration was read again and is in force."},
    {"status",                 LogLevel::notice,  "process child state clients silent sessions client served-for title",
        "The server was asked by SIGUSR2 what it does: a line for each helper, one with counts, and one for each session."},
    {"stopping",               LogLevel::notice,  "",
        "The server was told to stop."},
    {"stopped",                LogLevel::notice,  "",
        "The server has stopped."},
    {"not-started",            LogLevel::crit,    "reason",
        "The server cannot start."},
    {"reload-refused",         LogLevel::err,     "reason",
        "The configuration was read again and cannot be used; the server goes on with the one that it has."},
    {"config-notice",          LogLevel::warning, "reason",
        "The configuration is used, but may not mean what was intended."},
    {"config-copy-failed",     LogLevel::warning, "file reason",
        "The copy of the configuration in force cannot be written or removed."},
    {"port-busy",              LogLevel::err,     "reason next",
        "Another program has a port of the server."},
    {"listening-early",        LogLevel::warning, "listen reason",
        "The server listens on an address that the host does not have yet."},
    {"socket-not-used",        LogLevel::warning, "socket listen reason",
        "A socket that the service manager passed on is not used."},
    {"few-descriptors",        LogLevel::warning, "limit needed clients",
        "The system allows too few descriptors for clients=; fewer clients are served."},
    {"tls-key-exposed",        LogLevel::warning, "reason",
        "Other accounts can read the private key."},
    {"clock-went-back",        LogLevel::warning, "step",
        "The clock was set back; all times of the queue are worked out again."},
    {"log-unusable",           LogLevel::err,     "file reason",
        "The log cannot be opened; the log stays where it was, or goes to syslog."},
    {"auditing",               LogLevel::notice,  "state",
        "Records of mailaudit(5) were switched on or off by a signal."},
    {"audit",                  LogLevel::debug,   "record",
        "One record of mailaudit(5); in text it is the whole line."},
    {"debug",                  LogLevel::debug,   "text",
        "Only with -d."},

    // Processes of the server
    {"crash",                  LogLevel::crit,    "process child status reason",
        "A process ended by a signal, or by an error that it did not expect."},
    {"process-ended",          LogLevel::notice,  "process child status",
        "A process was ended by a signal that asks for it."},
    {"helper-not-started",     LogLevel::err,     "process reason",
        "A process of the server cannot be started; it is tried again."},
    {"helper-ended",           LogLevel::err,     "process status",
        "A process of the server ended, and is started again."},
    {"no-session-process",     LogLevel::err,     "reason",
        "No session process could be started for a client."},
    {"client-lost",            LogLevel::warning, "reason",
        "The answer of a session process about its client cannot be used."},
    {"accept-failed",          LogLevel::warning, "reason",
        "Connections cannot be accepted; the listener pauses."},
    {"agent-not-started",      LogLevel::err,     "user reply reason",
        "A delivery agent for a user cannot be started."},
    {"pickup-worker-ended",    LogLevel::warning, "child",
        "A pickup worker ended before it was told to."},
    {"queue-agent-ended",      LogLevel::warning, "child domain",
        "A process that delivers to a domain ended before it was told to."},
    {"authenticator-failed",   LogLevel::err,     "reason",
        "Logins cannot be checked."},
    {"malformed-request",      LogLevel::err,     "process user reason",
        "A process of the server got a request that it cannot understand."},
    {"descriptors-kept",       LogLevel::warning, "count reason",
        "Descriptors that came with requests cannot be closed now."},

    // Clients
    {"client-refused",         LogLevel::notice,  "client reply",
        "A client was refused before its session: a limit of clients, connections or load."},
    {"clients-refused",        LogLevel::notice,  "more",
        "Clients that were refused in the same second and have no line."},
    {"client-made-room",       LogLevel::info,    "client",
        "The client that was silent for longest made room for another one."},
    {"client-silent",          LogLevel::info,    "client",
        "A client was silent for too long between messages."},
    {"proxy-header-refused",   LogLevel::warning, "client reason",
        "The PROXY header of a front end cannot be used."},
    {"forbidden",              LogLevel::notice,  "mark client from reason action",
        "The client is in hosts.deny; with an id: a message from it was accepted all the same."},
    {"spam",                   LogLevel::notice,  "mark client from reason action",
        "A message was accepted although dnsbl=, a policy service, a filter or av= calls it unwanted."},
    {"login-succeeded",        LogLevel::info,    "client login",
        "A client logged in."},
    {"login-failed",           LogLevel::notice,  "client login reason",
        "A client failed to log in, or had failed too often before."},
    {"login-deferred",         LogLevel::notice,  "client login",
        "The password could not be checked; the client may try again."},
    {"mail-fetched",           LogLevel::info,    "client login fetched size removed kept",
        "A POP3 session in which a user had logged in has ended."},
    {"maildrop-failed",        LogLevel::err,     "user reason",
        "A mailbox cannot be opened, read or changed for POP3 now."},
    {"tls-started",            LogLevel::info,    "client tls",
        "The connection is encrypted."},
    {"tls-failed",             LogLevel::info,    "client login command reason",
        "The TLS handshake failed."},
    {"dropped",                LogLevel::notice,  "client login command reason",
        "The server ended the session of a client that does not follow SMTP."},
    {"timeout",                LogLevel::info,    "client login command reason",
        "The server ended the session: the client was silent or slow."},
    {"lost-connection",        LogLevel::info,    "client login command reason",
        "The client ended the session without QUIT."},
    {"session-failed",         LogLevel::err,     "client login program command reason",
        "The server could not go on with a session, or with a command."},
    {"etrn",                   LogLevel::info,    "client domain count",
        "ETRN of a client started attempts for a domain."},
    {"etrn-failed",            LogLevel::warning, "client domain reason",
        "ETRN of a client failed."},
    {"coal-run",               LogLevel::notice,  "client command status output",
        "coal-command= was run for a client."},
    {"coal-failed",            LogLevel::warning, "client command reason",
        "coal-command= could not be run for a client."},
    {"hosts-access-failed",    LogLevel::warning, "client reason",
        "hosts.allow and hosts.deny cannot be evaluated; the client is refused for now."},
    {"issue-unreadable",       LogLevel::warning, "file reason",
        "The greeting is sent without the text of issue.smtp."},
    {"policy-verdict",         LogLevel::info,    "client from to service stage action took",
        "A policy service has decided about a recipient or a message; not written for DUNNO."},
    {"policy-not-followed",    LogLevel::warning, "client service action next",
        "An action of a policy service is not available here, and is ignored."},
    {"policy-failed",          LogLevel::err,     "client service reason next",
        "A policy service does not answer, or its answer cannot be understood."},
    {"greylist-unusable",      LogLevel::err,     "file client reason",
        "The greylist cannot be used; mail is accepted without it."},
    {"greylist-damaged",       LogLevel::err,     "file kept-as reason",
        "A database of the greylist was moved aside, and begins anew."},
    {"greylist-expired",       LogLevel::info,    "removed kept",
        "Old entries were removed from the greylist."},

    // Messages that come
    {"received",               LogLevel::info,    "from client login uid helo mark size nrcpt proto",
        "A client has sent a message; lines that follow say what becomes of it."},
    {"refused",                LogLevel::notice,  "command client login from to nrcpt argument submitter reason reply",
        "A command or a message was refused."},
    {"filtered",               LogLevel::info,    "filter stage client verdict changes reply took",
        "A filter has examined a message, or has refused it, its client or a recipient."},
    {"filter-failed",          LogLevel::warning, "filter stage reason action",
        "A filter does not work; on-failure= says what becomes of mail. It is not asked for the rest of the session."},
    {"filter-recipient-unknown", LogLevel::warning, "to reply",
        "A filter added a recipient that does not exist; the message goes to the others."},
    {"discarded",              LogLevel::notice,  "from client submitter filter service",
        "A message was accepted and thrown away, as a filter or a policy service wanted."},
    {"queued",                 LogLevel::info,    "from to client submitter mark nrcpt size received-as report-on",
        "A message is in the queue."},
    {"scanned",                LogLevel::info,    "result reason took",
        "The program of av= has said whether a message is clean or unwanted."},
    {"scan-failed",            LogLevel::err,     "reason took",
        "The program of av= failed, took too long or cannot be run; the message waits at its sender."},
    {"not-stored",             LogLevel::err,     "reason",
        "A message cannot be stored; the client or the submitter keeps it."},
    {"not-accepted",           LogLevel::err,     "reason",
        "A message cannot be accepted because of an error here; the client keeps it."},
    {"submission-refused",     LogLevel::notice,  "program uid reason",
        "A message that was submitted on this host was refused."},
    {"not-permitted",          LogLevel::warning, "program uid reason",
        "A user asked for what only root may do."},
    {"mailed-update",          LogLevel::info,    "domain uid result",
        "A user asked by mail for a change of a virtual domain."},
    {"submission-deferred",    LogLevel::warning, "reason",
        "A submission cannot be picked up now; it is tried again."},
    {"submission-damaged",     LogLevel::warning, "kept-as reason",
        "A file of drop cannot be understood, and was moved aside."},
    {"submission-unreadable",  LogLevel::err,     "file remedy",
        "A submission cannot be read."},
    {"submissions-unreadable", LogLevel::err,     "reason",
        "The folder of submissions cannot be read."},

    // Where an address leads
    {"route-deferred",         LogLevel::warning, "to reason",
        "The destinations of a recipient cannot be determined now."},
    {"no-destination",         LogLevel::warning, "to",
        "An address has no destination in the end."},
    {"alias-member-skipped",   LogLevel::warning, "to alias member reason more",
        "A member of an alias has no destination; the others get the message."},
    {"alias-broken",           LogLevel::warning, "file line reason more",
        "A line of an alias file has an error."},
    {"alias-database-outdated", LogLevel::warning, "file remedy",
        "The source of the aliases is newer than the database."},
    {"alias-database-unusable", LogLevel::warning, "reason instead",
        "The database of aliases cannot be used."},
    {"delivery-file-ignored",  LogLevel::warning, "to file reason more",
        "A delivery file of a user is not used."},
    {"delivery-file-empty",    LogLevel::info,    "to file instead more",
        "A delivery file of a user is empty."},
    {"usermap-file-ignored",   LogLevel::warning, "to file reason more",
        "A usermap file is not used."},
    {"domain-broken",          LogLevel::warning, "file line reason more",
        "A line of domains.cf has an error; mail for the domain waits."},
    {"domains-unusable",       LogLevel::err,     "file reason",
        "domains.cf cannot be used; mail for virtual domains waits."},
    {"table-unusable",         LogLevel::err,     "file reason",
        "The table of routes=, sender-relay= or relay-domains= cannot be used; mail that needs it waits."},
    {"relay-login-failed",     LogLevel::err,     "host login reason",
        "A relay host refused the login of this host; mail for it waits."},
    {"relay-login-unknown",    LogLevel::err,     "host reason",
        "The login at a relay host cannot be read from relay-password-file=; mail for it waits."},
    {"not-routed",             LogLevel::warning, "reason",
        "The destinations of a queued message cannot be determined."},
    {"rerouted",               LogLevel::info,    "to target new-target",
        "The address of a recipient has other destinations than when the message came."},

    // Delivery
    {"delivered",              LogLevel::info,    "to from client submitter mark user target host tls tls-policy reply",
        "A recipient has the message."},
    {"routed",                 LogLevel::info,    "to from client mark target host reply",
        "The destinations of a recipient were determined after a failure."},
    {"deferred",               LogLevel::info,    "to from client submitter mark target host tls tls-policy reply",
        "An attempt failed; the recipient is tried again later."},
    {"failed",                 LogLevel::notice,  "to from client submitter mark target host tls tls-policy reply",
        "Delivery failed for good; the sender gets a report."},
    {"finished",               LogLevel::info,    "delay",
        "All recipients are settled; the message has left the queue."},
    {"removed",                LogLevel::notice,  "uid",
        "A message was removed from the queue by a user."},
    {"passed-on",              LogLevel::notice,  "domain connections",
        "A host refused one more connection; another connection takes the message over."},
    {"remote-tls-failed",      LogLevel::info,    "host tls-policy reason next",
        "TLS with a host was not possible, or its certificate is not the expected one, and mail goes there all the same."},
    {"tls-policy-unusable",    LogLevel::err,     "reason",
        "The table remote-tls-policy= cannot be used for a destination; its mail waits."},
    {"sts-fetch-failed",       LogLevel::warning, "domain reason",
        "The policy of a domain about TLS (MTA-STS) cannot be fetched; a known one stays in force."},
    {"sts-not-stored",         LogLevel::warning, "domain reason",
        "Such a policy cannot be stored; it is fetched again."},
    {"tls-report-failed",      LogLevel::warning, "reason",
        "Results of TLS for reports cannot be written, or a report cannot be queued."},
    {"program-run",            LogLevel::info,    "user command reply",
        "A program has run for a recipient."},
    {"file-not-written",       LogLevel::warning, "user file reason",
        "A recipient's file cannot be written."},
    {"instruction-failed",     LogLevel::warning, "alias reason",
        "The instructions of an alias cannot be read."},
    {"mailbox-failed",         LogLevel::warning, "user reply reason",
        "A mailbox cannot be written."},
    {"mailbox-not-truncated",  LogLevel::warning, "file reason",
        "Part of a message that was not accepted stays in a mailbox."},
    {"file-not-removed",       LogLevel::warning, "file reason",
        "A lock, or a file that was not completed, stays beside a mailbox."},
    {"mailbox-not-synced",     LogLevel::warning, "file reason",
        "Messages were deleted, and may be there again after a power cut."},
    {"late-mail-not-moved",    LogLevel::err,     "file reason",
        "Mail that another program wrote to a mailbox that was just replaced may be lost."},
    {"maildrop-index-not-written", LogLevel::warning, "file reason",
        "The next session has to read the whole mailbox."},
    {"stale-lock-removed",     LogLevel::warning, "file",
        "A lock file was left behind, and was removed."},
    {"local-transport-failed", LogLevel::warning, "host reason",
        "The server of local-transport= does not answer."},

    // Reports and the queue
    {"not-notified",           LogLevel::warning, "to reason",
        "The sender cannot be sent a report of success."},
    {"unreportable",           LogLevel::warning, "reason",
        "A failure cannot be reported, for there is no sender and no postmaster."},
    {"not-reported",           LogLevel::warning, "reason",
        "Damaged messages cannot be reported to the postmaster."},
    {"message-unreadable",     LogLevel::err,     "reason",
        "The text of a message cannot be read."},
    {"damaged",                LogLevel::err,     "kept-as reason",
        "The journal of a message cannot be understood, and was moved aside."},
    {"not-attempted",          LogLevel::warning, "reason",
        "A queued message cannot be opened for delivery."},
    {"not-recorded",           LogLevel::err,     "reason",
        "What became of a recipient cannot be recorded."},
    {"not-rewritten",          LogLevel::err,     "reason",
        "Addresses cannot be rewritten (srs-key=, generics=, canonical=); the mail waits."},
    {"not-settled",            LogLevel::err,     "reason",
        "What became of a message cannot be recorded or reported; it is tried again."},
    {"not-removed",            LogLevel::warning, "reason",
        "A finished message cannot be removed yet."},
    {"swept",                  LogLevel::info,    "file count",
        "Files that belong to no message were removed from the spool."},
    {"not-swept",              LogLevel::warning, "reason",
        "The spool cannot be searched for such files."},
});
// clang-format on

/// The row of a name. Without one, the program does not compile.
template <class Table>
consteval const auto* log_row(const Table& table, std::string_view name) {
    for (const auto& row : table)
        if (row.name == name) return &row;
    throw "that is not in the vocabulary of the log";
}

/// An event of the table, by its name.
class LogEvent {
  public:
    consteval LogEvent(const char* name) : row_(log_row(log_events, name)) {}
    std::string_view name() const { return row_->name; }
    LogLevel level() const { return row_->level; }

  private:
    const LogEventRow* row_;
};

/// A key of the table, by its name.
class LogKey {
  public:
    consteval LogKey(const char* name) : row_(log_row(log_keys, name)) {}
    std::string_view name() const { return row_->name; }
    bool is_number() const { return row_->is_number; }

  private:
    const LogKeyRow* row_;
};

}  // namespace postoffice
