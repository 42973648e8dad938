// What the words after the program's name ask for: one parser for all the names the binary answers to,
// because each accepts the modes of the others (newaliases -bp lists the queue). sendmail(8) documents every
// option.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/result.h"

namespace postoffice {

enum class Mode {
    submit,           // -bm, and every name that does not choose another one
    serve_stdio,      // -bs
    daemon,           // -bd, -bD, -bl, -qTIME, postoffice start
    list_queue,       // -bp
    count_queue,      // -bpc
    run_queue,        // -q, -bq
    manage_queue,     // -M, -Q
    rebuild_aliases,  // -bi
    check_config,     // -bC, postoffice check
    show_options,     // postoffice -P
    show_status,      // postoffice status
    reload,           // postoffice reload
    stop,             // postoffice stop
    verify,           // -bv
    explain,          // -bt
    host_status,      // -bh, -bH: prints nothing
    show_version,     // -V, -bV, -d0 without recipients, --version
    show_help,        // --help
};

/// -oe: how a submission's errors are reported.
enum class ErrorMode { print, mail, quiet };

/// What -M and -Q do with queued messages.
enum class QueueAction { none, deliver, remove, show_header, show_body, show_journal, hold, release };

struct QueueFilter {
    char field = '*';  ///< I id, R recipient, S sender, * any of them; Q held ones, L damaged ones (no text)
    bool inverted = false;
    std::string text;
    bool operator==(const QueueFilter&) const = default;
};

/// Modes daemon and run_queue.
struct DaemonWords {
    bool foreground = false;                ///< -bD, bare -d
    bool debug = false;                     ///< bare -d: log to stderr
    bool loopback_only = false;             ///< -bl
    bool audit = false;                     ///< -a
    bool serve_pop3 = false;                ///< the name pop3d
    bool serve_smtp = true;                 ///< false: -qTIME without -bd or the name smtpd: the queue alone
    std::optional<Seconds> queue_interval;  ///< -qTIME
};

/// Mode submit, and serve_stdio as far as its client submits.
struct SubmissionWords {
    bool input_missing = false;            ///< main() found standard input closed before it repaired that
    bool recipients_from_header = false;   ///< -t
    bool dot_ends = true;                  ///< false with -i
    std::optional<std::string> sender;     ///< -f, -r; "" and "<>" are the null sender
    std::optional<std::string> full_name;  ///< -F
    std::optional<bool> eight_bit;         ///< -B
    bool gateway = false;                  ///< -G
    ErrorMode error_mode = ErrorMode::print;
    bool error_mode_given = false;
    bool queue_only = false;          ///< -odq
    bool deliver_now = false;         ///< -odi
    std::string dsn_notify;           ///< -N, lower case: "never" or a list
    std::string dsn_return;           ///< -R: "full", "hdrs" or empty
    std::string envelope_id;          ///< -V ENVID, xtext
    std::optional<bool> smtputf8;     ///< -O smtputf8=
    std::string deliver_by;           ///< -O DeliverBy=: as BY= of RFC 2852
    std::string hold_for;             ///< -O HoldFor=: seconds
    std::string hold_until;           ///< -O HoldUntil=
    std::string priority;             ///< -O Priority=
    bool requiretls = false;          ///< -O requiretls=
    std::string protocol, from_host;  ///< -p PROTOCOL:HOST
};

/// The client that serve_stdio, explain and verify pretend.
struct ClientWords {
    std::string address;  ///< -oMa, -R
    std::string name;     ///< -oMs
};

/// Modes that list, run and manage the queue.
struct QueueWords {
    std::vector<QueueFilter> filters;  ///< all must hold
    bool ignore_retry_times = false;   ///< -qf
    bool count_only = false;           ///< mailq -c
    QueueAction action = QueueAction::none;
    std::string hold_reason;  ///< -QREASON
};

struct CommandLine {
    using Setting = std::pair<std::string, std::string>;

    std::string program;  ///< basename of argv[0]
    Mode mode = Mode::submit;
    std::vector<std::string> words;  ///< what follows the options: recipients, addresses, hosts, ids

    std::optional<std::string> config_file;  ///< -C
    std::vector<Setting> settings;           ///< -oNAME=VALUE that are postoffice.cf options
    std::vector<Setting> root_settings;  ///< sendmail's spellings of what only root may set; others: ignored
    std::string queue_directory;         ///< -oQ: root only, refused to others
    bool verbose = false;                ///< -v
    bool json = false;                   ///< --json
    std::string log_tag;                 ///< -L, at most 32 octets
    bool version_first = false;          ///< -d0: print the version, then go on
    bool only_changed = false;           ///< -n with -P; otherwise without effect
    std::string alias_file;              ///< -oA

    DaemonWords daemon;
    SubmissionWords submission;
    ClientWords client;
    QueueWords queue;
};

struct UsageError {
    int exit_code;     ///< 64, or what the option's table row says
    std::string text;  ///< one line, without the program's name
};

/// Turns what depends on the caller into settings: for root, root_settings and queue_directory; other callers
/// are refused the latter (77).
std::optional<UsageError> apply_caller_rights(CommandLine& line, bool caller_is_root);

/// Never throws for bad input. `is_config_option` tells `-oNAME=VALUE` of ours from sendmail's short options.
struct ParsedCommandLine {
    CommandLine line;
    std::optional<UsageError> error;
};
ParsedCommandLine parse_command_line(const std::vector<std::string>& arguments,
                                     bool (*is_config_option)(std::string_view name));

}  // namespace postoffice
