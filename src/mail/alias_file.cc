#include "postoffice/mail/alias_file.h"

#include <fmt/format.h>

#include <map>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/// Takes the name in front of the colon; returns what is wrong, or "". `name` is then the best guess.
std::string take_name(std::string_view& rest, std::string& name) {
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

AliasEntry parse_entry(std::string_view text, unsigned line) {
    AliasEntry entry;
    entry.line = line;
    entry.problem = take_name(text, entry.name);
    if (!entry.problem.empty()) return entry;
    entry.value = trim(text);
    if (entry.value.empty()) entry.problem = fmt::format("{} has no destination", entry.name);
    return entry;
}

/// The length of the item at the front: up to a comma outside of quotes, brackets and comments.
std::size_t item_length(std::string_view text) {
    bool quoted = false;
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\')
            ++i;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (c == '(' || c == '<')
            ++depth;
        else if (c == ')' || c == '>')
            --depth;
        else if (c == ',' && depth <= 0)
            return i;
    }
    return text.size();
}

/// "\"|command\"" without its quotes; other text as it is.
std::string unquoted(std::string_view item) {
    if (item.size() < 2 || item.front() != '"' || item.back() != '"') return std::string(item);
    item = item.substr(1, item.size() - 2);
    std::string text;
    for (std::size_t i = 0; i < item.size(); ++i) {
        if (item[i] == '\\' && i + 1 < item.size()) ++i;
        text += item[i];
    }
    return text;
}

Result<AliasTarget> parse_item(std::string_view item) {
    using Kind = AliasTarget::Kind;
    constexpr std::string_view include = ":include:";
    std::string text = unquoted(item);
    if (text.starts_with('|')) {
        const auto command = trim(std::string_view(text).substr(1));
        if (command.empty()) return Problem{"no command after the bar"};
        return AliasTarget{Kind::program, {}, std::string(command)};
    }
    if (text.starts_with('/')) return AliasTarget{Kind::file, {}, std::move(text)};
    if (starts_with_ignoring_case(text, include)) {
        const auto path = trim(std::string_view(text).substr(include.size()));
        if (!path.starts_with('/')) return Problem{":include: needs a path that begins with /"};
        return AliasTarget{Kind::include, {}, std::string(path)};
    }
    const bool backslash = item.starts_with('\\');
    auto address = parse_mailbox(backslash ? item.substr(1) : item);
    if (!address) return Problem{address.problem()};
    if (address->is_null()) return Problem{"an empty address <>"};
    return AliasTarget{backslash ? Kind::account : Kind::address, std::move(*address), {}};
}

}  // namespace

std::vector<AliasEntry> parse_alias_file(std::string_view text) {
    std::vector<AliasEntry> entries;
    std::string logical;
    unsigned line = 0;
    unsigned first_line = 0;
    const auto finish = [&] {
        if (!logical.empty()) entries.push_back(parse_entry(logical, first_line));
        logical.clear();
    };
    while (!text.empty()) {
        const auto raw = take_until(text, '\n');
        ++line;
        const auto content = trim(raw);
        if (content.empty() || content.front() == '#') continue;
        if (!is_blank(raw.front())) {
            finish();
            first_line = line;
            logical = content;
        } else if (logical.empty()) {
            entries.push_back({"", "", line, "a continuation line with nothing before it"});
        } else {
            logical.append(" ").append(content);
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

Result<std::vector<AliasTarget>> parse_alias_value(std::string_view value) {
    std::vector<AliasTarget> targets;
    while (!value.empty()) {
        const auto length = item_length(value);
        const auto item = trim(value.substr(0, length));
        value.remove_prefix(std::min(length + 1, value.size()));
        if (item.empty()) continue;
        auto target = parse_item(item);
        if (!target) return Problem{fmt::format("{}: {}", printable(item), target.problem())};
        targets.push_back(std::move(*target));
    }
    if (targets.empty()) return Problem{"no destination"};
    return targets;
}

std::string alias_value_problem(std::string_view value) {
    const auto targets = parse_alias_value(value);
    if (!targets) return targets.problem();
    return "";
}

}  // namespace postoffice
