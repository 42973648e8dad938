// Values about which clients may send what: what to do with unwanted mail, DNS lists, solicitation keywords.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "postoffice/base/text.h"
#include "postoffice/config/values.h"

namespace postoffice {

namespace {

/// "NAME" beside the mailboxes: a file that no mailbox can have the name of, and that is not hidden.
std::string problem_of_name(std::string_view name) {
    if (name.empty()) return "it names no folder";
    if (name.find('/') != name.npos) return "write ~/PATH for a folder in the home, or a name without '/'";
    if (name.front() == '.' || printable(name) != name) return "that cannot be the name of a folder";
    return "";
}

}  // namespace

Result<UnwantedMail> parse_unwanted_mail(std::string_view text) {
    if (equals_ignoring_case(text, "bounce")) return UnwantedMail{};
    if (equals_ignoring_case(text, "accept")) return UnwantedMail{UnwantedMail::Action::accept, "", ""};
    auto path = text;
    const auto action = read_until(path, ':');
    if (!equals_ignoring_case(action, "folder") && !equals_ignoring_case(action, "file"))
        return Problem{fmt::format("\"{}\": write bounce, accept or folder:PATH", printable(text))};
    path = trim(path);
    if (!path.starts_with("~")) {
        if (auto problem = problem_of_name(path); !problem.empty()) return Problem{std::move(problem)};
        return UnwantedMail{UnwantedMail::Action::folder, std::string(path), ""};
    }
    if (!path.starts_with("~/")) return Problem{"the home of another user: write ~/PATH"};
    const auto below_home = parse_absolute_path(path.substr(1));
    if (!below_home) return Problem{below_home.problem()};
    if (*below_home == "/") return Problem{"it names no folder"};
    return UnwantedMail{UnwantedMail::Action::folder, "~" + *below_home + (path.ends_with('/') ? "/" : ""),
                        ""};
}

Result<UnwantedMail> parse_spam(std::string_view text) {
    auto why = text;
    if (!equals_ignoring_case(read_until(why, ':'), "bounce")) return parse_unwanted_mail(text);
    if (printable(why) != why) return Problem{"control characters"};
    return UnwantedMail{UnwantedMail::Action::bounce, "", std::string(trim(why))};
}

Result<DnsList> parse_dns_list(std::string_view text) {
    const bool has_answers = text.find('=') != text.npos;
    auto answers = text;
    const auto zone = parse_domain(trim(read_until(answers, '=')));
    if (!zone) return Problem{zone.problem()};
    DnsList list{*zone, {}};
    if (!has_answers) return list;
    for (const auto part : split(answers, ',')) {
        const auto address = parse_ip_address(trim(part));
        if (!address) return Problem{address.problem()};
        if (address->is_v6() || !address->is_loopback())
            return Problem{
                fmt::format("{}: DNS lists answer with addresses of 127.0.0.0/8", address->to_string())};
        list.answers.push_back(*address);
    }
    return list;
}

Result<std::string> parse_solicitation_keywords(std::string_view text) {
    constexpr std::size_t longest = 1000;  // RFC 3865 section 2
    constexpr std::string_view others = ".-_:0123456789";
    if (text.empty()) return std::string();
    std::string keywords;
    for (const auto part : split(text, ',')) {
        const auto word = trim(part);
        const bool is_keyword =
            !word.empty() && is_letter(word.front()) && std::all_of(word.begin(), word.end(), [&](char c) {
                return is_letter(c) || others.find(c) != others.npos;
            });
        if (!is_keyword)
            return Problem{
                fmt::format("\"{}\" is no solicitation keyword, such as org.example:ADV", printable(word))};
        keywords.append(keywords.empty() ? "" : ",").append(word);
    }
    if (keywords.size() > longest) return Problem{fmt::format("more than {} octets of keywords", longest)};
    return keywords;
}

}  // namespace postoffice
