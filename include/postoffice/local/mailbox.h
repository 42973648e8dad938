// Where a user's mail is stored: an mbox file (RFC 4155, mboxrd or not by escape-from) or a maildir. Runs as
// the user. Each message of a batch is in the mailbox as a whole or not at all, and the batch is durable when
// finish() has returned.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "postoffice/base/accounts.h"
#include "postoffice/base/clock.h"
#include "postoffice/config/config.h"
#include "postoffice/local/mailbox_group.h"
#include "postoffice/mail/envelope.h"

namespace postoffice {

/// What is put in front of the message on final delivery (RFC 5321 section 4.4: Return-Path), as addresses on
/// the wire, without brackets and control characters. An empty sender is the null path.
struct DeliveryStamp {
    std::string sender;
    std::string recipient;
};

/// What stands where the mailbox should be is not a mailbox of this user: a link, a directory, another
/// owner's file. Never followed, never written to; a reason to wait for the administrator, not to bounce.
class UnfitMailbox : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class Mailbox {
  public:
    virtual ~Mailbox() = default;
    /// Opens and locks. Throws std::system_error, UnfitMailbox; Timeout if another program keeps the lock.
    virtual void begin() = 0;
    /// Appends one message; `message`: a regular file, open for reading, any position. When it throws
    /// (std::system_error, FormatError), the mailbox is as before this message.
    virtual void append(const DeliveryStamp& stamp, int message) = 0;
    /// Syncs everything appended since begin(), then unlocks. When it throws std::system_error, the mailbox
    /// is unlocked and as before begin().
    virtual void finish() = 0;
};

struct MboxOptions {
    bool escape_from = true;
    bool dot_lock = true;  ///< PATH.lock, too, where the folder lets it be created
    MailboxGroup group = {};
    Milliseconds lock_patience{30'000};
    std::uint64_t limit = 0;  ///< octets that the file may have; beyond it append() throws EDQUOT. 0 = none
};

/// What the configuration says of all mailboxes that are files.
MboxOptions mbox_options(const Config& config, const MailboxGroup& group = {});

/// `path` is absolute. Neither follows a symbolic link as its last component.
std::unique_ptr<Mailbox> open_mbox(const std::string& path, const MboxOptions& options = {});
std::unique_ptr<Mailbox> open_maildir(const std::string& path, const std::string& hostname);

/// The mailbox that the configuration gives to this account. For root it is always the file below mail_dir.
std::unique_ptr<Mailbox> open_mailbox_of(const Config& config, const Account& account,
                                         const MailboxGroup& group);
/// The mailbox of a virtual user, USER in the folder DOMAIN of vhost-spool, which is made if it is not there.
/// The caller is vhost-user already. Throws UnfitMailbox if the folder is a link or another's, or can be
/// written by others; std::system_error.
std::unique_ptr<Mailbox> open_virtual_mailbox(const Config& config, const std::string& user,
                                              const std::string& domain);
/// The folder that the option of this name gives to this account, or a null pointer if there is none. Root's
/// is always below mail_dir.
std::unique_ptr<Mailbox> open_folder_of(const Config& config, const Account& account,
                                        const MailboxGroup& group, MailFolder folder);

}  // namespace postoffice
