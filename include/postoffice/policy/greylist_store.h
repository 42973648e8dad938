// Where the greylist is kept: gdbm files below `db-dir`, shared by all sessions and authexpire(8). Sixteen of
// them, by the hash of the key, so that opening one stays quick with a million entries and few have to wait
// for each other.
//
// A file is open, and locked, for the moment of one look or change only: gdbm keeps what it has read, and
// would not see what others write. A process that dies in the middle of a change can damage one file of the
// sixteen; a damaged file is set aside as NAME.bad, said in the log, and begun anew: the greylist forgets,
// and mail comes in.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/policy/greylist.h"

namespace postoffice {

class GreylistStore {
  public:
    /// Below `folder`, which must exist when it is used. `patience`: for the lock of a file.
    explicit GreylistStore(std::string folder, Milliseconds patience = Milliseconds(2000));

    /// Throws std::system_error, Timeout, as everything here.
    std::optional<GreylistEntry> find(const std::string& key) const;

    /// What is to become of an entry; nullopt: it goes. Called with the file locked, so that nothing that
    /// another process wrote meanwhile is lost.
    using Change = std::function<std::optional<GreylistEntry>(const std::optional<GreylistEntry>&)>;
    void change(const std::string& key, const Change& change) const;

    /// Every entry, file by file, some at a time: between them the file is not locked, and an entry that
    /// comes meanwhile is not visited. What `visit` returns replaces the entry. A file is made smaller where
    /// much of it went.
    using Visit = std::function<std::optional<GreylistEntry>(const std::string& key, const GreylistEntry&)>;
    /// `goes_on`, if given, is asked now and then: it ends where that says false.
    void visit(const Visit& visit, bool may_change, const std::function<bool()>& goes_on = {}) const;

  private:
    class File;
    static bool with_file(const std::string& path, bool may_write, const std::function<void(File&)>& work);
    static bool visit_entry(File& file, const std::string& key, const Visit& visit, bool may_change);
    static void visit_file(const std::string& path, const Visit& visit, bool may_change,
                           const std::function<bool()>& goes_on);
    std::string path_of(const std::string& key) const;
    std::string path_of(unsigned number) const;

    const std::string folder_;
    const Milliseconds patience_;
};

}  // namespace postoffice
