#include "postoffice/config/text_table.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <tuple>
#include <unordered_map>

#include "postoffice/base/idn.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"
#include "postoffice/config/config_file.h"

namespace postoffice {
namespace {

constexpr std::size_t most_octets = 64u << 20;
constexpr std::string_view blanks = " \t\r\v\f";

/// Goes through the entries of a text.
class RowReader {
  public:
    struct Source {
        std::string_view text;
        KeyForm key_form;
    };
    RowReader(Source source, std::size_t begin, unsigned line)
        : text_(source.text), key_form_(source.key_form), next_(begin), line_(line) {}

    /// The next entry; nullopt at the end.
    std::optional<TableRow> read() {
        std::optional<TableRow> row;
        while (next_ < text_.size()) {
            const auto end = std::min(text_.find('\n', next_), text_.size());
            const std::string_view whole = text_.substr(next_, end - next_);
            const std::string_view content = trim(whole);
            const bool is_entry = !content.empty() && content.front() != '#';
            const bool continues = is_entry && blanks.find(whole.front()) != blanks.npos;
            if (is_entry && !continues && row) break;
            if (is_entry && !row) {
                begin_ = next_;
                row = begin(content, continues);
            } else if (is_entry) {
                row->value += (row->value.empty() ? "" : " ") + std::string(content);
            }
            next_ = end + 1;
            ++line_;
        }
        return row;
    }
    /// Where the last entry begins.
    std::size_t place() const { return begin_; }

  private:
    TableRow begin(std::string_view content, bool continues) const {
        if (continues) return {"", "", line_, "the first entry begins with a blank, which continues a line"};
        const auto end = std::min(content.find_first_of(blanks), content.size());
        return {key_form_(content.substr(0, end)), std::string(trim(content.substr(end))), line_};
    }

    std::string_view text_;
    KeyForm key_form_;
    std::size_t next_;
    std::size_t begin_ = 0;
    unsigned line_;
};

std::uint32_t hash_of(std::string_view key) {
    return static_cast<std::uint32_t>(std::hash<std::string_view>()(key));
}

}  // namespace

std::string plain_key(std::string_view key) {
    if (is_ascii(key)) return to_lower(key);
    const auto at = key.rfind('@');
    const std::string_view local = at == key.npos ? std::string_view() : key.substr(0, at + 1);
    std::string_view domain = key.substr(local.size());
    const bool is_parent = domain.starts_with('.');
    if (is_parent) domain.remove_prefix(1);
    const auto name = domain_to_ascii(domain);
    return to_lower(local) + (is_parent ? "." : "") + name.value_or(to_lower(domain));
}

std::vector<TableRow> parse_table(std::string_view text, KeyForm key_form) {
    RowReader reader({without_byte_order_mark(text), key_form}, 0, 1);
    std::vector<TableRow> rows;
    std::unordered_map<std::string, unsigned> lines;
    while (auto row = reader.read()) {
        const auto [first, is_new] = lines.try_emplace(row->key, row->line);
        if (!is_new)
            row->problem = fmt::format("{} is already in line {}", printable(row->key), first->second);
        rows.push_back(std::move(*row));
    }
    return rows;
}

void TextTable::refresh() {
    if (file_.empty()) return;
    struct stat status {};
    if (::stat(file_.c_str(), &status) != 0) return give_up(std::strerror(errno));
    const FileStamp stamp = FileStamp::of(status);
    if (stamp_ == stamp) return;
    TrustedFile file = read_trusted_file(file_, ::geteuid(), most_octets);
    if (file.exit_code != 0) return give_up(file.problem);
    text_ = without_byte_order_mark(file.text);
    make_index();
    problem_.clear();
    stamp_ = stamp;
}

void TextTable::make_index() {
    index_.clear();
    RowReader reader({text_, key_form_}, 0, 1);
    while (const auto row = reader.read())
        index_.push_back({hash_of(row->key), static_cast<std::uint32_t>(reader.place()), row->line});
    index_.shrink_to_fit();
    std::sort(index_.begin(), index_.end(), [](const IndexEntry& a, const IndexEntry& b) {
        return std::tie(a.hash, a.begin) < std::tie(b.hash, b.begin);
    });
}

void TextTable::give_up(const std::string& problem) {
    const std::string text = problem.starts_with(file_) ? problem : fmt::format("{}: {}", file_, problem);
    if (text != problem_) log_event("", "table-unusable", {{"file", file_}, {"reason", problem}});
    text_.clear();
    index_.clear();
    stamp_.reset();
    problem_ = text;
}

std::optional<TableRow> TextTable::find(std::string_view key) const {
    const std::uint32_t hash = hash_of(key);
    const auto before = [](const IndexEntry& entry, std::uint32_t wanted) { return entry.hash < wanted; };
    for (auto at = std::lower_bound(index_.begin(), index_.end(), hash, before);
         at != index_.end() && at->hash == hash; ++at) {
        auto row = RowReader({text_, key_form_}, at->begin, at->line).read();
        if (row && row->key == key) return row;
    }
    return std::nullopt;
}

std::vector<std::string> TextTable::problems(
    std::string_view option, const std::function<std::string(std::string_view value)>& problem_of) const {
    std::vector<std::string> problems;
    if (!problem_.empty()) problems.push_back(fmt::format("{}: {}", option, problem_));
    for (const TableRow& row : rows()) {
        const std::string why = row.problem.empty() ? problem_of(row.value) : row.problem;
        if (!why.empty()) problems.push_back(fmt::format("{}: {}", place_of(row), why));
    }
    return problems;
}

std::string TextTable::place_of(const TableRow& row) const {
    return fmt::format("{}:{}", file_, row.line);
}

}  // namespace postoffice
