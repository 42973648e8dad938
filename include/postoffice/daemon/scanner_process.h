// The scanner: runs the program of `av=` on each message, in a child for each. On a host that root starts, it
// and the program run as `nobody`, never as root or as user=: a program that a message has captured
// has neither mail nor keys, and cannot signal a process of the service.
#pragma once

#include <sys/types.h>

#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"
#include "postoffice/content/scanner.h"
#include "postoffice/local/program.h"

namespace postoffice {

/// What the end of the program means. 0: clean. 2, as scanners say that they have failed, the statuses of
/// sysexits(3) for a failing system or a later attempt (71, 74, 75), 111, those of a shell that cannot run it
/// (126, 127), and the end by a signal or for its time: undecided. Anything else: unwanted, unless
/// `is_out_of_room`: it had no room for temporary files.
ScanVerdict verdict_of(const ProgramEnd& end, bool is_out_of_room);

/// Gives up all rights that it does not need, and serves ScanRequests from `requests`, the reader of its
/// request socket, until SIGTERM, or until `parent` ends. Returns the exit status.
int run_scanner(const Config& config, Fd requests, pid_t parent);

}  // namespace postoffice
