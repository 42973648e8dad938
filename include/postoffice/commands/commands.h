// One function for each thing the binary does; each in the file named in the comment. All return the exit
// status (sysexits.h). main() has parsed the command line, loaded the configuration and opened the log.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postoffice/commands/line/command_line.h"
#include "postoffice/config/config.h"
#include "postoffice/config/options.h"

namespace postoffice {

int submit_message(const Config& config, const CommandLine& line);      // submit.cc: sendmail
int serve_stdio(const Config& config, const CommandLine& line);         // serve_stdio.cc: sendmail -bs
int run_daemon(const LoadedConfig& loaded, const CommandLine& line);    // smtpd.cc: smtpd, -bd
int show_options(const LoadedConfig& loaded, const CommandLine& line);  // show_options.cc: postoffice -P
int show_status(const Config& config, const CommandLine& line);         // service.cc: postoffice status
int reload_server(const Config& config, const CommandLine& line);       // service.cc: postoffice reload
int stop_server(const Config& config, const CommandLine& line);         // service.cc: postoffice stop
int list_queue(const Config& config, const CommandLine& line);          // mailq.cc: mailq, -bp
int run_queue(const Config& config, const CommandLine& line);           // runq.cc: runq, -q
int rebuild_aliases(const Config& config, const CommandLine& line);     // newaliases.cc: newaliases, -bi
int verify_addresses(const Config& config, const CommandLine& line);    // verify.cc: -bv
int trace_addresses(const Config& config, const CommandLine& line);     // trace.cc: -bt
int manage_queue(const Config& config, const CommandLine& line);        // manage_queue.cc: -M, -Q
int check_config(const CommandLine& line);                              // check_config.cc: -bC
int show_version(const CommandLine& line);                              // version.cc: -V, -bV, -d0
int show_help(const CommandLine& line);                                 // version.cc: --help

/// "--help" alone. The tools print their usage on standard output then.
inline bool asks_for_help(int argc, char** argv) {
    return argc == 2 && argv[1] == std::string_view("--help");
}

/// authexpire(8), which has a command line of its own.
int authexpire(int argc, char** argv);
/// dbm(8), the same.
int dbm(int argc, char** argv);
/// ns(8), the same.
int ns(int argc, char** argv);
/// pop3client(1), the same.
int pop3client(int argc, char** argv);
/// vdomain(8), vpasswd(8), valias(8) and virtdomain(8), which have, too, and no privilege.
int vdomain(int argc, char** argv);
int vpasswd(int argc, char** argv);
int valias(int argc, char** argv);
int virtdomain(int argc, char** argv);

}  // namespace postoffice
