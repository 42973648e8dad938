// The file of an index. Its lock is that of the session: a second one of the same maildrop is refused, and
// the kernel takes the lock away from a session that is killed. Where the file cannot be made, sessions work
// without.
#pragma once

#include <string>

#include "index.h"
#include "postoffice/base/fd.h"
#include "postoffice/local/mailbox_group.h"

namespace postoffice {

class IndexFile {
  public:
    /// Opens and locks the file, and makes it if it is missing. Throws MaildropInUse.
    IndexFile(std::string path, const MailboxGroup& group);
    /// nullopt if there is none that can be believed: a link, of another owner or open to other accounts,
    /// damaged, or too large.
    std::optional<MaildropIndex> load() const;
    /// Replaces the file, unless it has this text. A failure is logged.
    void save(const MaildropIndex& index) noexcept;

  private:
    bool open_and_lock();
    void replace(const std::string& text);

    const std::string path_;
    const MailboxGroup group_;
    Fd file_;                   // locked; empty if there is none
    mutable std::string text_;  // of the file
};

}  // namespace postoffice
