// drop/: local submissions, one file each, envelope and message, owned by the submitter. The writer is any
// user of the host; the reader believes the owner that the kernel names, and nothing else. spool(5).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/queue/message.h"

namespace postoffice {

/// Writes and syncs drop/ID, readable by the group of the folder. Returns the id: a new one, unless it is
/// given. Throws std::system_error; then nothing is left. A writer that dies leaves a file shorter than its
/// first line says, which is never taken in.
std::string write_drop(const std::string& drop_directory, const WireEnvelope& envelope, Message& message,
                       const std::string& id = "");

/// A drop file opened for taking in. Its owner may still change it: read it once, and not beyond
/// message_size.
struct Drop {
    Fd file;                         ///< positioned at the first octet of the message
    std::uint64_t message_size = 0;  ///< octets from there
    uid_t owner = 0;
    UnixTime written = 0;
    WireEnvelope envelope;
};

/// Ids of finished files in drop/, oldest first; of damaged ones too, for open_drop() to say what is wrong.
/// Throws std::system_error.
std::vector<std::string> list_drops(const std::string& drop_directory);

/// The user that submitted it; nullopt if it is gone. Opens nothing.
std::optional<uid_t> drop_owner(const std::string& drop_directory, const std::string& id);

/// Opens and parses; never follows links, never blocks on a FIFO. nullopt if it is gone or still being
/// written. Throws FormatError for what write_drop() would not write: not a regular file, several links,
/// a bad address, too many recipients (`most_recipients`), an endless envelope.
std::optional<Drop> open_drop(const std::string& drop_directory, const std::string& id,
                              std::size_t most_recipients);

/// Removes what writers that died left: unfinished files older than `age`. Returns how many.
unsigned sweep_drops(const std::string& drop_directory, Seconds age);

}  // namespace postoffice
