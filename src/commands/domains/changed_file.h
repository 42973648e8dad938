// A text file that a command changes: readers see the old text or the new one, two changes at a time wait for
// each other, and the text before the last change is kept beside it, as NAME~.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "postoffice/base/fd.h"

namespace postoffice {

/// Which processes can read a file.
struct FileRights {
    mode_t mode = 0600;               ///< of a file that is not there yet
    std::optional<gid_t> group = {};  ///< its group; nullopt: that of the process that makes it
    mode_t required = 0;              ///< bits of `mode` that delivery needs: a file without them gets them
};

/// A file that is there keeps its owner, its group, its mode and its access list.
class ChangedFile {
  public:
    /// `name` in `folder`, locked against other changes for as long as this lives. Throws std::system_error;
    /// Timeout if another process keeps the lock; FormatError for what is no regular file, such
    /// as a link: its target is to be changed in its own place.
    ChangedFile(std::string folder, const std::string& name, const FileRights& rights);

    /// As it is; "" if it is not there.
    const std::string& text() const { return text_; }
    /// The old text becomes the one of undo(). Durable when it returns. Throws std::system_error.
    void replace(const std::string& text);
    /// Exchanges the text with the one before; done again, it exchanges them back. Throws std::system_error;
    /// FormatError if there was none.
    void undo();

  private:
    void read(const FileRights& rights);
    void write(const std::string& path, const std::string& text) const;
    void give_rights(int file, const std::string& path) const;

    std::string folder_;
    std::string path_;
    mode_t mode_;
    std::optional<uid_t> owner_;  ///< nullopt: that of this process
    std::optional<gid_t> group_;
    std::string access_list_;  ///< as acl(5) is kept by the kernel; empty: there is none
    Fd lock_;                  ///< the folder
    std::string text_;
};

}  // namespace postoffice
