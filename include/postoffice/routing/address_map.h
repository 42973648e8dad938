// A table of addresses that stand for others, in the form of Postfix's generic(5) and canonical(5).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/result.h"
#include "postoffice/config/config.h"
#include "postoffice/config/text_table.h"
#include "postoffice/mail/address.h"

namespace postoffice {

class AddressMap {
  public:
    enum class Extension { dropped, kept };
    /// What a table has for an address.
    struct Entry {
        Address address;  ///< that stands for it
        unsigned line;    ///< of the table
    };

    /// Keeps the reference to `config`; `file` may be empty: the map has no entries. Nothing is read yet.
    /// `extension`: of an address whose entry is for the address without it.
    AddressMap(const Config& config, const std::string& option, const std::string& file,
               Extension extension = Extension::dropped)
        : config_(config), option_(option), table_(file), extension_(extension) {}

    /// Looks whether the table has changed: one stat(2). Does not throw.
    void refresh() { table_.refresh(); }
    bool is_empty() const { return table_.file().empty(); }
    const std::string& file() const { return table_.file(); }
    /// What stands for a qualified address; nullopt if it stays. The keys are, in this order, the address,
    /// the address without its extension, for a domain of this host the same without the domain, and
    /// "@domain". Throws FormatError if the table cannot be used now, or if the entry has an error.
    std::optional<Entry> find(const Address& address) const;
    /// All that is wrong with the table, a line each: "FILE:LINE: reason".
    std::vector<std::string> problems() const;

  private:
    /// What to look for in the table, and the extension that is missing in it.
    struct Key {
        std::string text;
        std::string extension = "";  ///< with its delimiter
    };
    std::vector<Key> keys_of(const Address& address) const;

    const Config& config_;
    const std::string option_;
    TextTable table_;
    Extension extension_;
};

/// "name@domain", "name" for one on this host, or "@domain", which keeps the name and is an Address without
/// local part. Several addresses are an error.
Result<Address> parse_address_map_value(std::string_view value);

}  // namespace postoffice
