// Values of options about where addresses lead.
#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>

#include "postoffice/base/text.h"
#include "postoffice/config/values.h"

namespace postoffice {
namespace {

constexpr std::uint16_t lmtp_port = 24;  // as most servers have it; RFC 2033 forbids 25 alone

/// A file of personal aliases: below the home, with no way out of it.
std::string alias_file_problem(std::string_view path) {
    for (const auto part : split(path, '/'))
        if (part.empty() || part == "." || part == "..")
            return "\"~/" + std::string(path) + "\" is no file in a home";
    return path.size() > 200 ? "the name of the file is too long" : "";
}

std::string target_problem(std::string_view target, bool has_user) {
    if (target.empty()) return "a target is missing";
    if (!target.starts_with('~')) return "";
    if (!has_user) return fmt::format("\"{}\" needs a ~ in the pattern, which names the account", target);
    if (target == "~") return "";
    if (target[1] != '/') return fmt::format("\"{}\": after the ~ comes /file, or nothing", target);
    return alias_file_problem(target.substr(2));
}

/// "ADDRESS[:PORT]", or "/PATH" of a socket.
Result<ServerPlace> parse_lmtp_place(std::string_view text) {
    constexpr std::size_t longest_path = sizeof(sockaddr_un::sun_path) - 1;
    if (!text.starts_with('/')) {
        const auto endpoint = parse_endpoint(text, lmtp_port);
        if (!endpoint) return Problem{endpoint.problem()};
        if (endpoint->port == 0) return Problem{fmt::format("\"{}\" has no port", printable(text))};
        return ServerPlace(*endpoint);
    }
    if (printable(text) != text) return Problem{"control characters"};
    if (text.size() > longest_path)
        return Problem{fmt::format("the path of a socket can have {} octets", longest_path)};
    return ServerPlace(std::string(text));
}

}  // namespace

Result<std::optional<LmtpServer>> parse_local_transport(std::string_view text) {
    using LocalTransport = std::optional<LmtpServer>;
    constexpr std::string_view lmtp = "lmtp:";
    if (text == "mailbox") return LocalTransport();
    if (!text.starts_with(lmtp))
        return Problem{
            fmt::format("\"{}\": write mailbox, lmtp:/PATH or lmtp:ADDRESS:PORT", printable(text))};
    const auto place = parse_lmtp_place(text.substr(lmtp.size()));
    return place ? Result<LocalTransport>(LmtpServer{*place}) : Problem{place.problem()};
}

Result<UserMap> parse_usermap(std::string_view text) {
    if (printable(text) != text) return Problem{"control characters"};
    const auto colon = text.find(':');
    if (colon == text.npos) return Problem{"a map is PATTERN:TARGET, with further targets behind commas"};
    UserMap map;
    map.pattern = to_lower(trim(text.substr(0, colon)));
    const auto users = std::count(map.pattern.begin(), map.pattern.end(), '~');
    if (map.pattern.empty()) return Problem{"the pattern is missing"};
    if (users > 1) return Problem{"a pattern has one ~ at most"};
    for (const auto part : split(text.substr(colon + 1), ',')) {
        const auto target = trim(part);
        if (auto problem = target_problem(target, users == 1); !problem.empty())
            return Problem{std::move(problem)};
        map.targets.emplace_back(target);
    }
    return map;
}

}  // namespace postoffice
