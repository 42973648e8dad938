#include "postoffice/policy/dns_lists.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr Milliseconds patience_with_lists{5000};
constexpr Milliseconds patience_with_text{2000};
constexpr std::size_t longest_list_text = 160;

/// RFC 5782 section 2.1: entries are in 127.0.0.0/8. 127.0.0.1 is never one (section 5). Others that count
/// for nothing: what the owner of a dead list's domain answers to everything, and 127.255.255.0/24, by which
/// lists say that they do not want to be asked.
bool is_entry(const DnsList& list, const IpAddress& answer) {
    if (!list.answers.empty())
        return std::find(list.answers.begin(), list.answers.end(), answer) != list.answers.end();
    const std::string text = answer.to_string();
    return text.starts_with("127.") && text != "127.0.0.1" && !text.starts_with("127.255.255.");
}

bool has_entry(const DnsList& list, const QuickAnswer& answer) {
    return std::any_of(answer.records.begin(), answer.records.end(),
                       [&](const DnsRecord& record) { return is_entry(list, record.address); });
}

/// What the list has to say about the address, if that is known soon.
std::string text_of(const Resolver& resolver, const std::string& name) {
    const auto answers = resolver.ask_together({{name, DnsType::txt}}, patience_with_text);
    if (answers.front().records.empty()) return "";
    return printable(answers.front().records.front().text.substr(0, longest_list_text));
}

}  // namespace

std::string name_in_list(const IpAddress& address, const std::string& zone) {
    std::string name = address.reverse_name();
    for (const std::string_view end : {"in-addr.arpa", "ip6.arpa"})
        if (name.ends_with(end)) name.erase(name.size() - end.size());
    return name + zone;
}

ListVerdict consult_dns_lists(const AccessConfig& config, const Resolver& resolver,
                              const IpAddress& address) {
    std::vector<DnsQuestion> questions;
    for (const auto* lists : {&config.dnswl, &config.dnsbl})
        for (const DnsList& list : *lists)
            questions.push_back({name_in_list(address, list.zone), DnsType::a});
    if (questions.empty()) return {};
    const auto answers = resolver.ask_together(questions, patience_with_lists);

    bool may_be_good = false;
    for (std::size_t i = 0; i < config.dnswl.size(); ++i) {
        if (has_entry(config.dnswl[i], answers[i])) return {ListStatus::known_good, ""};
        may_be_good = may_be_good || answers[i].status == DnsStatus::temporary;
    }
    for (std::size_t i = 0; i < config.dnsbl.size(); ++i) {
        const std::size_t at = config.dnswl.size() + i;
        if (!has_entry(config.dnsbl[i], answers[at])) continue;
        const std::string text = text_of(resolver, questions[at].name);
        return {may_be_good ? ListStatus::maybe_listed : ListStatus::listed,
                fmt::format("{} is on {}{}{}", address.to_string(), config.dnsbl[i].zone,
                            text.empty() ? "" : ": ", text)};
    }
    return {};
}

}  // namespace postoffice
