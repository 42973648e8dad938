// A mailbox as POP3 shows it (RFC 1939 calls that a maildrop): the messages that were there when it was
// opened, with numbers and unique ids that do not change, and one update at the end. Runs as the owner of the
// mailbox. Mail may be delivered to the mailbox all the time: its locks are held while it is read through and
// while it is updated, and not in between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/local/mailbox_group.h"

namespace postoffice {

/// One message.
struct MaildropEntry {
    std::uint64_t octets = 0;  ///< with CRLF as line ends, without stuffed dots (RFC 1939 section 11)
    std::string uid;           ///< 1 to 70 octets of 0x21 to 0x7E (RFC 1939 section 7)
};

/// What a session leaves behind in the mailbox.
struct MaildropChanges {
    std::vector<bool> deleted;  ///< one for each entry
    std::vector<bool> read;     ///< the same: was retrieved, and is marked so if `marks_read`
    bool marks_read = false;    ///< `Status: RO` in an mbox, the flag S in a maildir
};

/// Another session has this maildrop open (RFC 2449 section 8.1.1: IN-USE).
class MaildropInUse : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class Maildrop {
  public:
    virtual ~Maildrop() = default;
    /// In the order of delivery; the same as long as this exists.
    virtual const std::vector<MaildropEntry>& entries() const = 0;
    /// Gives the message to `sink` piece by piece, header and body as they are stored, until all is read or
    /// `sink` returns false. Throws std::system_error; MaildropChanged if another program has changed the
    /// mailbox so that the message is not where it was, and none of it was given.
    virtual void read(std::size_t index, const std::function<bool(std::string_view)>& sink) = 0;
    /// Removes what is deleted, durably. Returns how many of these messages are gone: all, or those that
    /// another program did not change meanwhile. When it throws (std::system_error, Timeout for locks), the
    /// mailbox has all its messages. Once.
    virtual std::size_t update(const MaildropChanges& changes) = 0;
};

/// See Maildrop::read().
class MaildropChanged : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

struct MaildropOptions {
    bool dot_lock = true;     ///< as MboxOptions has it
    MailboxGroup group = {};  ///< for files beside the mailbox
    bool escape_from = true;  ///< mboxrd: one '>' is taken away from ">From " at the start of a line
    Milliseconds lock_patience{30'000};
    /// How long programs that wait for the lock of an mbox that was replaced have time to get it and write.
    Milliseconds late_writers{20};
};

/// Opens the mailbox at `path`, a maildir if that ends with '/'; one that does not exist is empty. Throws
/// MaildropInUse; UnfitMailbox as deliveries to it; Timeout if another program keeps the locks;
/// std::system_error.
std::unique_ptr<Maildrop> open_maildrop(const std::string& path, const MaildropOptions& options);

}  // namespace postoffice
