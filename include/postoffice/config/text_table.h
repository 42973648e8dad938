// A table that people write: "key value" in each line, as in the sources of Postfix's hash: tables
// (postmap(1)). The text itself is used, by an index that holds for as long as the file does not change:
// there is no database to make.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/file_stamp.h"

namespace postoffice {

/// One entry, with the lines that continue it.
struct TableRow {
    std::string key;           ///< in its form
    std::string value = "";    ///< lines joined with a blank; may be empty
    unsigned line = 0;         ///< the first of it
    std::string problem = "";  ///< why it is not used; "" if it is
};

/// The form in which keys are compared, of a key as it is written.
using KeyForm = std::string (*)(std::string_view written);
/// Lower case, a domain in it with A-labels.
std::string plain_key(std::string_view written);

/// All entries in order, the broken ones too. Of several entries with one key, all but the first are broken.
std::vector<TableRow> parse_table(std::string_view text, KeyForm key_form = plain_key);

class TextTable {
  public:
    /// Nothing is read yet. An empty `file`: the table is empty.
    explicit TextTable(std::string file, KeyForm key_form = plain_key)
        : file_(std::move(file)), key_form_(key_form) {}

    /// Reads the file if it changed; one stat(2) if not. Does not throw: what is wrong is in problem().
    void refresh();
    /// "FILE: reason" if the file cannot be used now: it is missing, unreadable or larger than 64 MB, or
    /// accounts other than root and the user of this process may write it. "" if it can.
    const std::string& problem() const { return problem_; }
    /// The first entry with this key, in its form, as of the last refresh(); nullopt if there is none.
    std::optional<TableRow> find(std::string_view key) const;
    std::vector<TableRow> rows() const { return parse_table(text_, key_form_); }
    /// All that is wrong, a line each: with the file, under the name of its option, with entries, and with
    /// values of which `problem_of` has something to say.
    std::vector<std::string> problems(
        std::string_view option, const std::function<std::string(std::string_view value)>& problem_of) const;

    const std::string& file() const { return file_; }
    /// "FILE:LINE"
    std::string place_of(const TableRow& row) const;

  private:
    void give_up(const std::string& problem);
    void make_index();

    /// An entry of the text. A hundred thousand of them take a megabyte.
    struct IndexEntry {
        std::uint32_t hash, begin, line;
    };

    std::string file_;
    KeyForm key_form_;
    std::string text_;
    std::vector<IndexEntry> index_;   ///< by hash, and by place for equal ones
    std::optional<FileStamp> stamp_;  ///< of what text_ was read from
    std::string problem_;
};

}  // namespace postoffice
