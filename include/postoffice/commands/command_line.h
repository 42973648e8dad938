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
    submit,           // -bm
    serve_stdio,      // -bs
    daemon,           // -bd, -bD, -bl
    list_queue,       // -bp
    count_queue,      // -bpc
    run_queue,        // -q, -bq
    rebuild_aliases,  // -bi
    check_config,     // -bC
    verify,           // -bv
    explain,          // -bt
    host_status,      // -bh, -bH: prints nothing
    show_version,     // -V, -bV, -d0
};

/// -oe: how a submission's errors are told.
enum class ErrorMode { print, mail, quiet };

struct CommandLine {
    std::string program;  ///< basename of argv[0]
    Mode mode = Mode::submit;
    std::vector<std::string> words;  ///< what follows the options: recipients, addresses, hosts

    // Any mode
    std::string config_file;  ///< -C; empty: POSTOFFICE_CONFIG or the default
    bool config_file_given = false;
    std::vector<std::pair<std::string, std::string>>
        settings;          ///< -oNAME=VALUE that are postoffice.cf options
    bool verbose = false;  ///< -v
    std::string log_tag;   ///< -L

    // Daemon
    bool foreground = false;                ///< -bD, bare -d
    bool debug = false;                     ///< bare -d: log to stderr
    bool loopback_only = false;             ///< -bl
    bool audit = false;                     ///< -a
    std::optional<Seconds> queue_interval;  ///< -qTIME

    // Submission
    bool recipients_from_header = false;   ///< -t
    bool dot_ends = true;                  ///< false with -i
    std::optional<std::string> sender;     ///< -f, -r; "" and "<>" are the null sender
    std::optional<std::string> full_name;  ///< -F
    std::optional<bool> eight_bit;         ///< -B
    bool gateway = false;                  ///< -G
    ErrorMode error_mode = ErrorMode::print;
    bool queue_only = false;   ///< -odq
    bool deliver_now = false;  ///< -odi

    // Queue
    struct QueueFilter {
        char field = '*';
        bool inverted = false;
        std::string text;
    };  ///< field: I S R or *
    std::vector<QueueFilter> filters;
    bool ignore_retry_times = false;  ///< -qf
    bool json = false;
    bool count_only = false;
    std::string alias_file;  ///< -oA
};

struct UsageError {
    int exit_code;     ///< 64, or what the option's table row says
    std::string text;  ///< one line, without the program's name
};

/// Never throws for bad input. `is_config_option` tells `-oNAME=VALUE` of ours from sendmail's short options.
struct ParsedCommandLine {
    CommandLine line;
    std::optional<UsageError> error;
};
ParsedCommandLine parse_command_line(const std::vector<std::string>& arguments,
                                     bool (*is_config_option)(std::string_view name));

}  // namespace postoffice
