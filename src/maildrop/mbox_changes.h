// What an update does to an mbox. The file is cut where only its end goes; else a new file takes its place.
#pragma once

#include <vector>

#include "mailbox_parser.h"
#include "postoffice/local/mbox_file.h"

namespace postoffice {

/// A message that does not stay as it is.
struct MboxChange {
    MessagePlace place;
    bool is_deleted = false;  ///< else it is marked as read
};

/// Deletes and marks; for marks alone nothing is written. `changes`: in the order of the file, which is
/// locked and has these messages at these places. When it throws std::system_error, or the process is killed,
/// the mailbox is as before or as it shall be. `late_writers`: see MaildropOptions.
void change_mbox(MboxFile& mbox, const std::vector<MboxChange>& changes, Milliseconds late_writers);

}  // namespace postoffice
