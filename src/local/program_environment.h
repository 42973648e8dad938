// The environment of a program that a delivery file or an alias names: forward(5) has the list, and for a
// dot-qmail file qmail-command(8).
#pragma once

#include <string>

#include "postoffice/base/accounts.h"
#include "postoffice/config/config.h"
#include "postoffice/local/program.h"
#include "postoffice/mail/address.h"

namespace postoffice {

/// What a program is told of the message.
struct ProgramFacts {
    std::string id;
    std::string sender;          ///< of the envelope; empty for <>
    std::string new_sender;      ///< that dot-qmail forwards with
    Address recipient;           ///< the address that the message came for
    std::string recipient_text;  ///< the same as it is on the wire
    std::string extension;       ///< as the sender wrote it
    std::string file;            ///< the path of the delivery file; empty: an alias
};

/// Control characters in values are replaced by question marks; UFLINE, RPLINE and DTLINE have their line
/// end.
Environment program_environment(const Config& config, const Account& account, const ProgramFacts& facts);

}  // namespace postoffice
