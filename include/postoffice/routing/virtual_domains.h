// Virtual domains, vhosts(7): the file domains.cf(5) in the folder vhost-dir=, which says what domains there
// are besides the host's own, the owner of each, and which of them are active. The file is root's: processes
// with root's rights read no other.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/file_stamp.h"

namespace postoffice {

/// One line of domains.cf: "owner:domain:active:comment".
struct VirtualDomain {
    std::string name;   ///< lower case, with A-labels; of a broken line as much as can be told, maybe ""
    std::string owner;  ///< login or uid of the account that manages it
    bool active = false;
    std::string comment;
    unsigned line = 0;
    std::string problem;  ///< why the line cannot be used; "" if it can
    /// ".example": with all below it that has no line of its own, at any depth.
    bool with_subdomains = false;
};

/// All lines in order, without comments and empty ones, the broken ones too: mail for their domains waits, it
/// is not refused. Of several lines for one domain, all but the first are broken.
std::vector<VirtualDomain> parse_domains(std::string_view text);

class DomainTable {
  public:
    /// `folder`: as vhost-dir=; empty: there are no virtual domains. Nothing is read yet.
    explicit DomainTable(std::string folder);

    /// Reads the file if it changed; one stat(2) if not. Pointers that find() gave end here. A missing file
    /// has no domains. True if it changed, or cannot be read. Does not throw.
    bool refresh();
    /// The domain that a name belongs to: its own line, or the nearest above it that is with its subdomains.
    /// Null if it is none of them. `name`: lower case. As of the last refresh(); throws FormatError if the
    /// file could not be read then, or others than root or this process's user could have written it:
    /// temporary.
    const VirtualDomain* find(std::string_view name) const;
    /// The line for this name itself, or null.
    const VirtualDomain* find_line(std::string_view name) const;

    /// In the order of their names. Throws like find().
    std::vector<VirtualDomain> all() const;

    /// The file itself, for people.
    const std::string& file() const { return file_; }
    const std::string& folder() const { return folder_; }
    /// Where its passwd and aliases are.
    std::string folder_of(const VirtualDomain& domain) const { return folder_ + "/" + domain.name; }

  private:
    void require_readable() const;
    bool give_up(const std::string& problem);

    std::string folder_;
    std::string file_;
    std::map<std::string, VirtualDomain, std::less<>> domains_;
    bool any_subdomains_ = false;
    std::optional<FileStamp> stamp_;  ///< of what domains_ was made from
    std::string problem_;             ///< why it is not known which domains there are
};

}  // namespace postoffice
