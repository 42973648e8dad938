// Runs one program of a user on a message, in the home, with nothing of our environment but what is
// documented in forward(5), at low priority, for a limited time. Runs with the rights that the caller has
// taken on.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/mail/delivery_result.h"

namespace postoffice {

/// Names and values as the program gets them, without NUL octets.
using Environment = std::vector<std::pair<std::string, std::string>>;

/// The folders in which programs are looked for; behind the usual ones, that of this program, where
/// virtdomain(8) is.
std::string program_path();

struct ProgramEnd {
    int status = 0;  ///< as wait(2) gives it; meaningless if it was killed for its time
    bool timed_out = false;
    std::string output;  ///< what it wrote to its standard output and error: the first of it
    bool exited_with(int code) const;
};

struct Program {
    std::string path;
    std::vector<std::string> arguments;  ///< from its own name on
    std::string folder;                  ///< it starts there, or in / if that cannot be entered
    Environment environment;
    std::size_t most_output = 800;  ///< octets of which ProgramEnd has the first; a report can quote 800
};

/// `input`: a regular file; the program reads it from its start. What it leaves running keeps nothing of ours
/// open, and is killed with it when time is up. Throws std::system_error if it cannot be started.
ProgramEnd run_program(const Program& program, int input, const Deadline& deadline);

/// The same with /bin/sh -c.
ProgramEnd run_command(const std::string& command, const std::string& folder, const Environment& environment,
                       int input, const Deadline& deadline);

/// What the exit status means by sysexits(3): 0 delivered; 67 no such user; 75, 111, a signal, a shell that
/// found no command, a failing system: try again; anything else is for good.
DeliveryResult result_of(const ProgramEnd& end);

/// What it means by qmail-command(8): 0 and 99 delivered; 64, 65, 70, 76, 77, 78, 100 and 112 for good;
/// anything else: try again.
DeliveryResult qmail_result_of(const ProgramEnd& end);

}  // namespace postoffice
