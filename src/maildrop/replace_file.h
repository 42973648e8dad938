// A file that takes the place of another one with its owner, rights and attributes, in one step.
#pragma once

#include <string>
#include <utility>

#include "postoffice/base/fd.h"
#include "postoffice/local/mailbox_group.h"

namespace postoffice {

/// "FOLDER/.NAME" and the suffix: a file that belongs to the mailbox FOLDER/NAME.
std::string path_beside(const std::string& mailbox, const std::string& suffix);

class ReplacementFile {
  public:
    /// Makes a file that has no name yet if the file system can; else it has `path`, and one of that name is
    /// removed first. Throws std::system_error.
    ReplacementFile(std::string path, const MailboxGroup& group);
    /// What was not put in place is removed.
    ~ReplacementFile();
    ReplacementFile(const ReplacementFile&) = delete;
    ReplacementFile& operator=(const ReplacementFile&) = delete;

    int fd() const { return file_.get(); }
    /// Gives it the group, mode, access control list and other attributes of this open file, as far as this
    /// process may. Throws std::system_error if group and mode cannot be the same.
    void take_rights_of(int original);
    /// Renames it to `target`; what it holds was synced before. Throws std::system_error.
    void replace(const std::string& target);
    /// Then this is done with.
    Fd take() { return std::move(file_); }

  private:
    const std::string path_;
    const MailboxGroup group_;
    Fd file_;
    bool has_name_ = false;
};

}  // namespace postoffice
