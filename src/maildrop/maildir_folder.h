// The files of a maildir, by the part of their names that does not change (the unique name).
#pragma once

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "index.h"
#include "postoffice/base/fd.h"

namespace postoffice {

/// The part in front of the flags: of "1.M2P3.host,S=4:2,RS" it is "1.M2P3.host,S=4".
std::string_view unique_name(std::string_view file_name);

/// True if the first was delivered before the second, by the time that all programs put first in the name,
/// and the microseconds that some add.
bool is_delivered_before(std::string_view a, std::string_view b);

class MaildirFolder {
  public:
    /// Throws UnfitMailbox if it is no maildir of this user, as deliveries do; std::system_error. One that
    /// does not exist is empty.
    explicit MaildirFolder(std::string path);

    struct File {
        bool is_new = false;  ///< in new/, else in cur/
        std::string name;     ///< with flags
    };
    using Files = std::map<std::string, File, decltype(&is_delivered_before)>;
    bool exists() const { return new_ || cur_; }
    /// What is in new/ and cur/ now, by unique name, in the order of delivery. Throws std::system_error.
    Files list() const;
    /// nullopt if there is no such regular file. Throws std::system_error.
    std::optional<FileState> state_of(const File& file) const;
    /// An empty Fd if there is no such regular file. Throws std::system_error.
    Fd open(const File& file) const;
    /// False if it was not there. The same.
    bool remove(const File& file) const;
    /// Gives it the flag S (seen), in cur/. False if it was not there, or another has this name.
    bool mark_as_seen(const File& file) const;
    void sync() const;

    const std::string& path() const { return path_; }

  private:
    const Fd& folder_of(const File& file) const { return file.is_new ? new_ : cur_; }

    const std::string path_;
    Fd new_, cur_;
};

}  // namespace postoffice
