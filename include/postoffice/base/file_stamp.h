// Whether a file is still the one that an index was made from.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

namespace postoffice {

/// A file as it was: tells it from its successor, and from itself after a change.
struct FileStamp {
    dev_t device = 0;
    ino_t inode = 0;  ///< 0: there is no file
    off_t size = 0;
    timespec changed{};  ///< its text
    timespec touched{};  ///< its owner or mode
    static FileStamp of(const struct stat& status);
    bool operator==(const FileStamp& other) const;
};

}  // namespace postoffice
