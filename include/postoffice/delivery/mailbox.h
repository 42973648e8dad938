// Where a user's mail is stored: an mbox file (RFC 4155, mboxrd or not by escape-from) or a maildir. Runs as
// the user. A batch is all or nothing for each message, and durable when append() and finish() have returned.
#pragma once

#include <memory>
#include <string>

#include "postoffice/mail/address.h"

namespace postoffice {

/// What is put in front of the message on final delivery (RFC 5321 section 4.4: Return-Path).
struct DeliveryStamp {
    Address sender;
    Address recipient;
};

class Mailbox {
  public:
    virtual ~Mailbox() = default;
    /// Opens and locks. Throws std::system_error; Timeout if another program keeps the lock.
    virtual void begin() = 0;
    /// Appends one message; `message`: open for reading, any position. When it throws std::system_error the
    /// mailbox is as before this message.
    virtual void append(const DeliveryStamp& stamp, int message) = 0;
    /// Syncs everything appended since begin(), then unlocks. Throws std::system_error.
    virtual void finish() = 0;
};

/// `path` is absolute. Neither follows a symbolic link as its last component.
std::unique_ptr<Mailbox> open_mbox(const std::string& path, bool escape_from);
std::unique_ptr<Mailbox> open_maildir(const std::string& path, const std::string& hostname);

}  // namespace postoffice
