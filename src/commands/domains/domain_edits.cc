#include "domain_edits.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>
#include <utility>

#include "postoffice/base/text.h"
#include "postoffice/routing/domain_files.h"

namespace postoffice {
namespace {

/// What becomes of a line: another one, or nothing.
using Change = std::function<std::optional<std::string>(std::string_view line)>;

/// The text with `change` in place of the lines that `is_meant`; nullopt if there are none.
std::optional<std::string> with_lines_changed(std::string_view text,
                                              const std::function<bool(std::string_view, unsigned)>& is_meant,
                                              const Change& change) {
    std::string result;
    bool found = false;
    for (unsigned number = 1; !text.empty(); ++number) {
        const auto line = read_until(text, '\n');
        std::optional<std::string> kept(line);
        if (is_meant(line, number)) {
            found = true;
            kept = change(line);
        }
        if (kept) result.append(*kept).append("\n");
    }
    if (!found) return std::nullopt;
    return result;
}

std::string with_line_at_end(std::string_view text, const std::string& line) {
    std::string result(text);
    if (!result.empty() && result.back() != '\n') result += '\n';
    return result + line + "\n";
}

std::optional<std::string> with_user_changed(std::string_view passwd, const std::string& name,
                                             const Change& change) {
    const auto is_his = [&](std::string_view line, unsigned) {
        const auto user = parse_virtual_user(line);
        return user && equals_ignoring_case(user->name, name);
    };
    return with_lines_changed(passwd, is_his, change);
}

/// Its line and continuation lines; comments between them stay. So with all that have this name: of several
/// only the first holds, and none of the others must come to light.
std::optional<std::string> with_alias_changed(std::string_view aliases, const std::string& name,
                                              const std::optional<std::string>& line) {
    std::map<unsigned, unsigned> places;  // from the last line to the first
    for (const AliasEntry& entry : parse_alias_file(aliases))
        if (equals_ignoring_case(entry.name, name)) places.emplace(entry.last_line, entry.line);
    const auto is_meant = [&](std::string_view text, unsigned number) {
        const auto content = trim(text);
        if (content.empty() || content.front() == '#') return false;
        const auto place = places.lower_bound(number);
        return place != places.end() && place->second <= number;
    };
    bool done = false;
    return with_lines_changed(
        aliases, is_meant, [&](std::string_view) { return std::exchange(done, true) ? std::nullopt : line; });
}

std::optional<std::string> with_domain_changed(std::string_view domains, const std::string& name,
                                               const std::optional<std::string>& line) {
    std::set<unsigned> places;
    for (const VirtualDomain& domain : parse_domains(domains))
        if (domain.name == name) places.insert(domain.line);
    bool done = false;
    return with_lines_changed(
        domains, [&](std::string_view, unsigned number) { return places.contains(number); },
        [&](std::string_view) { return std::exchange(done, true) ? std::nullopt : line; });
}

}  // namespace

std::string with_user(std::string_view passwd, const std::string& name, const std::string& hash) {
    bool done = false;
    const auto changed = with_user_changed(passwd, name, [&](std::string_view line) {
        if (std::exchange(done, true)) return std::optional<std::string>();
        auto fields = split(trim(line), ':');
        fields[1] = hash;
        return std::optional<std::string>(fmt::format("{}", fmt::join(fields, ":")));
    });
    return changed ? *changed : with_line_at_end(passwd, name + ":" + hash);
}

std::optional<std::string> without_user(std::string_view passwd, const std::string& name) {
    return with_user_changed(passwd, name, [](std::string_view) { return std::nullopt; });
}

std::string with_alias(std::string_view aliases, const std::string& name, const std::string& value) {
    const std::string line = name + ": " + value;
    if (const auto changed = with_alias_changed(aliases, name, line)) return *changed;
    // A backslash at the end of the last line would take the new one to it; an empty line ends that.
    const bool goes_on = trim(aliases).ends_with('\\');
    return with_line_at_end(aliases, goes_on ? "\n" + line : line);
}

std::optional<std::string> without_alias(std::string_view aliases, const std::string& name) {
    return with_alias_changed(aliases, name, std::nullopt);
}

std::string with_domain(std::string_view domains, const VirtualDomain& domain) {
    const std::string line = fmt::format("{}:{}{}:{}:{}", domain.owner, domain.with_subdomains ? "." : "",
                                         domain.name, domain.active ? 1 : 0, domain.comment);
    const auto changed = with_domain_changed(domains, domain.name, line);
    return changed ? *changed : with_line_at_end(domains, line);
}

std::optional<std::string> without_domain(std::string_view domains, const std::string& name) {
    return with_domain_changed(domains, name, std::nullopt);
}

}  // namespace postoffice
