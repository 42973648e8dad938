// -V, -bV, --version; -d0, with a first line that configure scripts look for; and --help.

#include <cstdio>

#include "postoffice/base/output.h"
#include "postoffice/commands/commands.h"
#include "postoffice/config/build.h"

namespace postoffice {

int show_version(const CommandLine& line) {
    print_output("Version {}\n", version());
    if (line.mode == Mode::show_version)
        print_output("postoffice, configuration file {}, spool {}\nbuilt with {}\n", default_config_file(),
                     default_queue_dir(), features());
    return 0;
}

int show_help(const CommandLine& line) {
    print_output(
        "{} is postoffice {}, a mail server with sendmail's command line.\n"
        "usage: sendmail [-i] [-t] [-f sender] [-F name] [-v] [--] recipient ...   submit a message\n"
        "       sendmail -bs                                  speak SMTP on standard input\n"
        "       sendmail -bv address ... | -bt [address ...]  check, explain addresses\n"
        "       mailq [-v] [--json]                           list the queue\n"
        "       runq [-v]                                     run the queue\n"
        "       newaliases                                    rebuild the alias database\n"
        "       smtpd [-qTIME] [-bD]                          serve\n"
        "       postoffice start | stop | reload | status | check\n"
        "       postoffice -P [-n]                            print the options in force\n"
        "       any name: -C FILE, -oNAME=VALUE, -V, --help   see sendmail(8), postoffice(8)\n",
        line.program, version());
    return 0;
}

}  // namespace postoffice
