// The coal runner: runs coal-command of postoffice.cf(5) for addresses that sessions and the listener name.
// It is root's on a host, so that the command can speak to the packet filter, and believes nobody: whoever
// captures a session can name strangers, slowly, and nothing else.
#pragma once

#include <functional>

#include "postoffice/base/fd.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/base/packet.h"
#include "postoffice/config/config.h"

namespace postoffice {

/// From whoever keeps account of misconduct; no answer.
struct CoalRequest {
    FixedString<64> address;  ///< "192.0.2.1"
};

/// Names an address, unless more wait than the request socket holds. Never waits; -1 is nobody's ear.
void name_to_coal_runner(int handle, const IpAddress& address);

/// Serves until SIGTERM.
int run_coal_runner(const Config& config, Fd requests);

}  // namespace postoffice
