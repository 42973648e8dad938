// A text file that a command changes: readers see the old text or the new one, two changes at a time wait for
// each other, and the text before the last change is kept beside it, as NAME~.
#pragma once

#include <sys/types.h>

#include <string>

#include "postoffice/base/fd.h"

namespace postoffice {

class ChangedFile {
  public:
    /// `name` in `folder`, locked against other changes for as long as this lives. `mode`: of a file that is
    /// not there yet. Throws std::system_error; Timeout if somebody else keeps the lock; FormatError for what
    /// is no file, such as a link, whose target is to be changed in its own place.
    ChangedFile(std::string folder, const std::string& name, mode_t mode);

    /// As it is; "" if it is not there.
    const std::string& text() const { return text_; }
    /// The old text becomes the one of undo(). Durable when it returns. Throws std::system_error.
    void replace(const std::string& text);
    /// Exchanges the text with the one before; done again, it exchanges them back. Throws std::system_error;
    /// FormatError if there was none.
    void undo();

  private:
    void write(const std::string& path, const std::string& text) const;

    std::string folder_;
    std::string path_;
    mode_t mode_;
    Fd lock_;  ///< the folder
    std::string text_;
};

}  // namespace postoffice
