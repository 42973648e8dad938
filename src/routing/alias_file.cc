#include "postoffice/routing/alias_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

/// Takes the name in front of the colon; returns what is wrong, or "". `name` is then the best guess.
std::string read_name(std::string_view& rest, std::string& name) {
    if (rest.starts_with('"')) {
        rest.remove_prefix(1);
        while (!rest.empty() && rest.front() != '"') {
            if (rest.front() == '\\' && rest.size() > 1) rest.remove_prefix(1);
            name += rest.front();
            rest.remove_prefix(1);
        }
        if (rest.empty()) return "closing quote is missing";
        rest.remove_prefix(1);
    } else {
        const auto end = std::min(rest.find_first_of(": \t"), rest.size());
        name = rest.substr(0, end);
        rest.remove_prefix(end);
    }
    name = to_lower(name);
    rest = trim(rest);
    if (!rest.starts_with(':')) return fmt::format("no colon after the name {}", printable(name));
    rest.remove_prefix(1);
    if (name.empty()) return "the name is empty";
    if (name.find('@') != std::string::npos) return "an alias is a name without a domain";
    if (printable(name) != name) return "control character in the name";
    return "";
}

AliasEntry parse_entry(std::string_view text, const AliasEntry& place) {
    AliasEntry entry = place;
    entry.problem = read_name(text, entry.name);
    if (!entry.problem.empty()) return entry;
    entry.value = trim(text);
    if (entry.value.empty()) entry.problem = fmt::format("{} has no destination", entry.name);
    return entry;
}

/// The length of the text in quotes at the front, both quotes included; npos if it is not closed. Between
/// double quotes a backslash takes the next octet with it.
std::size_t quoted_length(std::string_view text) {
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '\\' && text.front() == '"')
            ++i;
        else if (text[i] == text.front())
            return i + 1;
    }
    return std::string_view::npos;
}

/// Commands and paths, in which brackets are no structure.
bool is_command_or_path(std::string_view item) {
    return item.starts_with('|') || item.starts_with('/') || item.starts_with("~/") || item.starts_with("./");
}

/// The length of the item at the front: up to a comma outside of quotes, brackets and comments. In a command,
/// single quotes count as well.
std::size_t item_length(std::string_view text) {
    const bool has_structure = !is_command_or_path(text);
    std::size_t comments = 0, brackets = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool is_quote = comments == 0 && (c == '"' || (c == '\'' && text.front() == '|'));
        if (const auto length = is_quote ? quoted_length(text.substr(i)) : text.npos; length != text.npos)
            i += length - 1;
        else if (c == '\\')
            ++i;
        else if (c == ',' && comments == 0 && brackets == 0)
            return i;
        else if (has_structure && c == '(')
            ++comments;
        else if (c == ')' && comments > 0)
            --comments;
        else if (has_structure && comments == 0 && c == '<')
            ++brackets;
        else if (comments == 0 && c == '>' && brackets > 0)
            --brackets;
    }
    return text.size();
}

/// True for "..." from one end to the other.
bool is_quoted(std::string_view item) {
    return item.starts_with('"') && quoted_length(item) == item.size();
}

/// "\"|command\"" without its quotes; other text as it is.
std::string unquoted(std::string_view item) {
    if (!is_quoted(item)) return std::string(item);
    item = item.substr(1, item.size() - 2);
    std::string text;
    for (std::size_t i = 0; i < item.size(); ++i) {
        if (item[i] == '\\' && i + 1 < item.size()) ++i;
        text += item[i];
    }
    return text;
}

/// "/path (a comment)" without the comment. In quotes, nothing is a comment.
std::string path_of(std::string_view item) {
    if (is_quoted(item)) return unquoted(item);
    const auto comment = std::min(item.find(" ("), item.find("\t("));
    if (item.ends_with(')') && comment != item.npos) item = item.substr(0, comment);
    return std::string(trim(item));
}

/// Nothing but "(comments)".
bool is_comment(std::string_view item) {
    int depth = 0;
    for (std::size_t i = 0; i < item.size(); ++i) {
        if (item[i] == '(')
            ++depth;
        else if (item[i] == ')')
            --depth;
        else if (item[i] == '\\')
            ++i;
        else if (depth == 0 && !is_blank(item[i]))
            return false;
        if (depth < 0) return false;
    }
    return depth == 0;
}

bool has_open_quote(std::string_view command) {
    for (std::size_t i = 0; i < command.size(); ++i) {
        const char c = command[i];
        if (c == '\\') ++i;
        if (c != '"' && c != '\'') continue;
        const auto length = quoted_length(command.substr(i));
        if (length != command.npos)
            i += length - 1;
        else if (c == '"')
            return true;
    }
    return false;
}

/// Quotes around all of it are how a command with blanks is written: they are not part of it.
Result<AliasTarget> command_in(std::string_view text) {
    const std::string command = unquoted(trim(text));
    if (trim(command).empty()) return Problem{"no command after the bar"};
    if (has_open_quote(command)) return Problem{"a quote in the command is not closed"};
    return AliasTarget{AliasTarget::Kind::program, {}, std::string(trim(command))};
}

Result<AliasTarget> include_in(std::string_view text) {
    std::string path = path_of(trim(text));
    if (!path.starts_with('/')) return Problem{":include: needs a path that begins with /"};
    return AliasTarget{AliasTarget::Kind::include, {}, std::move(path)};
}

/// "~/box", "./box" and, as people write it for a maildir, "box/".
bool is_below_home(std::string_view path) {
    const bool is_folder = path.ends_with('/') && path.find('@') == path.npos;
    return path.starts_with("~/") || path.starts_with("./") || (is_folder && !path.starts_with('/'));
}

Result<AliasTarget> file_in(std::string path, AliasPlace place) {
    const bool is_below = is_below_home(path);
    if (path.find('"') != path.npos) return Problem{"a path with a quote: put all of it into quotes"};
    if (is_below && place == AliasPlace::host)
        return Problem{"a path must begin with /: an alias has no home that ~/ or ./ could stand for"};
    if (is_below && path.find_first_not_of("~./") == path.npos)
        return Problem{"a file in the home needs a name"};
    return AliasTarget{AliasTarget::Kind::file, {}, std::move(path)};
}

/// The backslash means the account itself, whatever alias it has.
Result<AliasTarget> address_in(std::string_view item, AliasPlace place) {
    const bool backslash = item.starts_with('\\');
    if (item.starts_with('~') && item.find('/') != item.npos) return Problem{"only ~/ stands for a home"};
    // The same name in another domain, as Postfix's virtual aliases have it.
    const std::string starred = place == AliasPlace::domain && item.starts_with('@') ? "*" : "";
    auto address = parse_mailbox(starred + std::string(backslash ? item.substr(1) : item));
    if (!address) return Problem{address.problem()};
    if (address->is_null()) return Problem{"an empty address <>"};
    return AliasTarget{
        backslash ? AliasTarget::Kind::account : AliasTarget::Kind::address, std::move(*address), {}};
}

/// What Exim and sendmail have in the place of a destination: the problem tells what stands for it here.
std::string words_of_others(std::string_view text) {
    constexpr std::string_view refuses =
        "without this alias mail for the name is refused; |echo text; exit 67 gives a reason";
    const std::pair<std::string_view, std::string_view> known[] = {{":fail:", refuses},
                                                                   {":unknown:", refuses},
                                                                   {"error:", refuses},
                                                                   {":blackhole:", "/dev/null stands for it"},
                                                                   {":defer:", "|exit 75 lets mail wait"}};
    for (const auto& [word, remedy] : known)
        if (starts_with_ignoring_case(text, word))
            return fmt::format("{} is not known here: {}", word, remedy);
    return "";
}

Result<AliasTarget> parse_item(std::string_view item, AliasPlace place) {
    constexpr std::string_view include = ":include:";
    const std::string text = unquoted(item);
    if (std::string problem = words_of_others(text); !problem.empty()) return Problem{std::move(problem)};
    if (text.starts_with('|')) return command_in(std::string_view(text).substr(1));
    if (starts_with_ignoring_case(text, include))
        return include_in(std::string_view(text).substr(include.size()));
    if (std::string path = path_of(item); path.starts_with('/') || is_below_home(path))
        return file_in(std::move(path), place);
    return address_in(item, place);
}

}  // namespace

std::vector<AliasEntry> parse_alias_file(std::string_view text) {
    text = without_byte_order_mark(text);
    std::vector<AliasEntry> entries;
    std::string logical;
    AliasEntry place;  // of the entry in `logical`
    const auto finish = [&] {
        if (!logical.empty()) entries.push_back(parse_entry(logical, place));
        logical.clear();
    };
    bool goes_on = false;  // a backslash at the end of a line takes the next one to it
    for (unsigned line = 1; !text.empty(); ++line) {
        const auto raw = read_until(text, '\n');
        auto content = trim(raw);
        const bool continues = std::exchange(goes_on, false) || (!raw.empty() && is_blank(raw.front()));
        if (content.empty() || content.front() == '#') continue;
        if (content.ends_with('\\')) {
            goes_on = true;
            content = trim(content.substr(0, content.size() - 1));
        }
        if (!continues) {
            finish();
            place = {"", "", line, "", line};
            logical = content;
        } else if (logical.empty()) {
            entries.push_back({"", "", line, "a continuation line with nothing before it", line});
        } else {
            logical.append(" ").append(content);
            place.last_line = line;
        }
    }
    finish();

    std::map<std::string_view, unsigned> lines;
    for (AliasEntry& entry : entries) {
        const auto [first, is_new] = lines.try_emplace(entry.name, entry.line);
        if (!is_new && entry.problem.empty())
            entry.problem = fmt::format("{} is already in line {}", entry.name, first->second);
    }
    return entries;
}

Result<std::vector<AliasTarget>> parse_destinations(std::string_view text, AliasPlace place) {
    std::vector<AliasTarget> targets;
    for (text = trim(text); !text.empty(); text = trim(text)) {
        const auto length = item_length(text);
        const auto item = trim(text.substr(0, length));
        text.remove_prefix(std::min(length + 1, text.size()));
        if (is_comment(item)) continue;
        auto target = parse_item(item, place);
        if (!target) return Problem{fmt::format("{}: {}", printable(item), target.problem())};
        targets.push_back(std::move(*target));
    }
    return targets;
}

Result<std::vector<AliasTarget>> parse_alias_value(std::string_view value, AliasPlace place) {
    auto targets = parse_destinations(value, place);
    if (targets && targets->empty()) return Problem{"no destination"};
    return targets;
}

std::string alias_value_problem(std::string_view value, AliasPlace place) {
    const auto targets = parse_alias_value(value, place);
    if (!targets) return targets.problem();
    return "";
}

}  // namespace postoffice
