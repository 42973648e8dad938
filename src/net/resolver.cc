#include "postoffice/net/resolver.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <string_view>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/net/dns_client.h"
#include "postoffice/net/hosts_file.h"

namespace postoffice {
namespace {

constexpr int most_indirections = 10;

// What keeps an answer from being used, as text; empty for a good one. The next server may do better.
std::string fault_of(const DnsMessage& answer) {
    if (answer.code != DnsCode::no_error && answer.code != DnsCode::no_such_name)
        return to_string(answer.code);
    // RFC 2308 section 2.2: NS records without SOA lead elsewhere, so this says nothing about the name.
    const bool is_referral = answer.code == DnsCode::no_error && answer.answers.empty() && answer.has_ns &&
                             !answer.has_soa && !answer.is_authoritative;
    return is_referral ? "a referral: this server does not ask others" : "";
}

// What one server may take of it.
Milliseconds time_left(const std::optional<Deadline>& deadline, Milliseconds timeout) {
    return deadline ? std::min(timeout, Milliseconds(deadline->poll_timeout())) : timeout;
}

Result<DnsMessage> ask_servers(const ResolverSettings& settings, const std::optional<Deadline>& deadline,
                               const DnsQuestion& question) {
    std::string why;
    for (int round = 0; round < settings.attempts; ++round) {
        why.clear();
        // Some firewalls drop, and some servers fail on, questions with EDNS0: later rounds go without.
        const bool with_edns = round == 0;
        for (const auto& server : settings.servers) {
            const Milliseconds timeout = time_left(deadline, settings.timeout);
            if (timeout <= Milliseconds(0)) return Problem{why.empty() ? "no time left to ask" : why};
            auto answer = ask_dns_server(server, question, with_edns, timeout);
            std::string problem = answer.problem();
            if (answer) {
                const std::string fault = fault_of(*answer);
                if (fault.empty()) return answer;
                problem = fmt::format("{}: {}", server.to_string(), fault);
            }
            why += (why.empty() ? "" : "; ") + problem;
        }
    }
    return Problem{why};
}

const DnsRecord* find_record(const DnsMessage& answer, const std::string& owner, DnsType type) {
    const auto found =
        std::find_if(answer.answers.begin(), answer.answers.end(),
                     [&](const DnsRecord& record) { return record.type == type && record.owner == owner; });
    return found == answer.answers.end() ? nullptr : &*found;
}

// Letters, digits, hyphen, and the underscore that some use; never what breaks a log line or a header.
bool can_be_host_name(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    });
}

void put_ipv6_first(std::vector<IpAddress>& addresses) {
    std::stable_partition(addresses.begin(), addresses.end(), [](const IpAddress& a) { return a.is_v6(); });
}

// "timeout:3" -> 3 between 1 and `most`; 0 for another option.
int option_value(std::string_view option, std::string_view name, int most) {
    if (!option.starts_with(name)) return 0;
    const auto value = parse_number(option.substr(name.size()));
    if (!value) return 0;
    return static_cast<int>(std::clamp<std::uint64_t>(*value, 1, static_cast<std::uint64_t>(most)));
}

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    for (const auto part : split(line, ' '))
        for (const auto word : split(part, '\t'))
            if (!trim(word).empty()) words.push_back(trim(word));
    return words;
}

void read_resolv_conf(const std::string& path, ResolverSettings& settings) {
    const Fd file = disk::open_if_exists(path, O_RDONLY);
    if (!file) return;
    const std::string text = disk::read_all(file.get(), 1 << 20);
    for (const auto line : split(text, '\n')) {
        const auto words = words_of(line);
        if (words.size() < 2) continue;
        if (words[0] == "nameserver") {
            if (const auto server = Endpoint::parse(words[1], dns_port)) settings.servers.push_back(*server);
        } else if (words[0] == "options") {
            for (const auto option : words) {
                if (const int seconds = option_value(option, "timeout:", 30))
                    settings.timeout = Seconds(seconds);
                if (const int rounds = option_value(option, "attempts:", 5)) settings.attempts = rounds;
                if (option == "trust-ad") settings.are_trusted = true;
            }
        }
    }
}

}  // namespace

ResolverSettings ResolverSettings::from(const std::vector<Endpoint>& nameservers,
                                        const std::string& resolv_conf) {
    ResolverSettings settings;
    settings.servers = nameservers;
    if (settings.servers.empty()) read_resolv_conf(resolv_conf, settings);
    if (settings.servers.empty()) settings.servers.push_back({*IpAddress::parse("127.0.0.1"), dns_port});
    settings.are_trusted |= std::all_of(settings.servers.begin(), settings.servers.end(),
                                        [](const Endpoint& server) { return server.address.is_loopback(); });
    return settings;
}

ResolverSource::Stamp ResolverSource::stamp() const {
    struct stat status {};
    if (!nameservers_.empty() || ::stat(resolv_conf_.c_str(), &status) != 0) return {};
    return {status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

std::optional<ResolverSettings> ResolverSource::news() {
    const Stamp now = stamp();
    if (known_ == now) return std::nullopt;
    auto settings = ResolverSettings::from(nameservers_, resolv_conf_);
    known_ = now;
    return settings;
}

Resolver Resolver::until(Deadline deadline, unsigned most_questions) const {
    Resolver same = *this;
    same.deadline_ = deadline_ ? Deadline::earlier(*deadline_, deadline) : deadline;
    same.questions_left_ = std::min(questions_left_, most_questions);
    return same;
}

Resolver Resolver::trusting(bool servers_are_trusted) const {
    Resolver same = *this;
    same.settings_.are_trusted = servers_are_trusted;
    return same;
}

// Follows CNAMEs (RFC 1034 section 3.6.2), inside an answer as far as it goes, then by asking again.
RecordLookup Resolver::records(const std::string& name, DnsType type) const {
    DnsQuestion question{normalized_name(name), type};
    const auto text = [&] { return fmt::format("{} of {}", to_string(type), printable(name)); };
    if (!encode_query(0, question, false))
        return {DnsStatus::no_name, {}, fmt::format("\"{}\" is not a domain name", printable(name))};
    int indirections = 0;
    bool is_secure = settings_.are_trusted;
    const auto without = [&](DnsStatus status, std::string why) {
        return RecordLookup{status, {}, std::move(why), is_secure, question.name};
    };
    for (;;) {
        if (questions_left_ == 0)
            return {DnsStatus::temporary, {}, fmt::format("{}: too many questions to DNS", text())};
        if (questions_left_ != no_limit) --questions_left_;
        const auto reply = ask_servers(settings_, deadline_, question);
        if (!reply) return {DnsStatus::temporary, {}, fmt::format("{}: {}", text(), reply.problem())};
        is_secure = is_secure && reply->is_authentic;
        const std::string asked = question.name;
        while (find_record(*reply, question.name, type) == nullptr) {
            const DnsRecord* alias = find_record(*reply, question.name, DnsType::cname);
            if (alias == nullptr) break;
            if (++indirections > most_indirections)
                return {DnsStatus::temporary,
                        {},
                        fmt::format("{}: more than {} CNAMEs", text(), most_indirections)};
            question.name = alias->target;
        }
        RecordLookup answer;
        for (const auto& record : reply->answers)
            if (record.type == type && record.owner == question.name) answer.records.push_back(record);
        if (!answer.records.empty()) {
            answer.status = DnsStatus::found;
            answer.is_secure = is_secure;
            answer.name = question.name;
            return answer;
        }
        // RFC 6604: the code is about the last name of the chain.
        if (reply->code == DnsCode::no_such_name)
            return without(DnsStatus::no_name, fmt::format("no such domain: {}", printable(question.name)));
        if (question.name == asked || reply->has_soa)
            return without(DnsStatus::no_data,
                           fmt::format("{} has no {} record", printable(question.name), to_string(type)));
        if (!encode_query(0, question, false))
            return {DnsStatus::no_name, {}, fmt::format("{}: a CNAME leads to no domain name", text())};
    }
}

AddressLookup Resolver::listed_addresses(const std::string& host) const {
    const std::string name = normalized_name(host);
    AddressLookup lookup;
    if (!settings_.hosts_file.empty()) lookup.addresses = addresses_in_hosts_file(settings_.hosts_file, name);
    if (lookup.addresses.empty() && name == "localhost")  // RFC 6761 section 6.3: never a question for DNS
        lookup.addresses = {*IpAddress::parse("127.0.0.1"), *IpAddress::parse("::1")};
    put_ipv6_first(lookup.addresses);
    lookup.status = lookup.addresses.empty() ? DnsStatus::no_name : DnsStatus::found;
    if (lookup.addresses.empty()) lookup.why = fmt::format("{} is not in the hosts file", printable(name));
    return lookup;
}

AddressLookup Resolver::addresses(const std::string& host) const {
    if (const auto literal = IpAddress::parse(host)) return {DnsStatus::found, {*literal}, {}};
    if (auto listed = listed_addresses(host); listed.status == DnsStatus::found) return listed;
    RecordLookup v4 = records(host, DnsType::a);
    // A name that does not exist has no address of any kind; a server that is silent now will be again.
    if (v4.status == DnsStatus::no_name || v4.status == DnsStatus::temporary)
        return {v4.status, {}, v4.why, v4.is_secure, v4.name};
    RecordLookup v6 = records(host, DnsType::aaaa);
    if (v4.records.empty() && v6.status == DnsStatus::temporary) return {v6.status, {}, v6.why};
    AddressLookup result;
    for (const auto* answer : {&v6, &v4})
        for (const auto& record : answer->records) result.addresses.push_back(record.address);
    put_ipv6_first(result.addresses);
    result.is_secure = v4.is_secure && (v6.is_secure || v6.status == DnsStatus::temporary);
    result.name = v4.name;
    result.status = result.addresses.empty() ? DnsStatus::no_data : DnsStatus::found;
    if (result.addresses.empty()) result.why = fmt::format("{} has no address", printable(host));
    return result;
}

MxLookup Resolver::mx(const std::string& domain) const {
    RecordLookup answer = records(domain, DnsType::mx);
    MxLookup result{answer.status, {}, std::move(answer.why), answer.is_secure};
    for (auto& record : answer.records)
        result.records.push_back({record.preference, std::move(record.target)});
    return result;
}

NameLookup Resolver::names(const IpAddress& address) const {
    if (!settings_.hosts_file.empty())
        if (auto listed = names_in_hosts_file(settings_.hosts_file, address); !listed.empty())
            return {DnsStatus::found, std::move(listed), {}};
    RecordLookup answer = records(address.reverse_name(), DnsType::ptr);
    NameLookup result{answer.status, {}, std::move(answer.why)};
    for (auto& record : answer.records)
        if (can_be_host_name(record.target)) result.names.push_back(std::move(record.target));
    if (result.status == DnsStatus::found && result.names.empty())
        return {
            DnsStatus::no_data, {}, fmt::format("no PTR record of {} is a host name", address.to_string())};
    return result;
}

std::vector<QuickAnswer> Resolver::ask_together(const std::vector<DnsQuestion>& questions,
                                                Milliseconds patience) const {
    std::vector<QuickAnswer> results(questions.size());
    const auto share = patience / static_cast<int>(settings_.servers.size());
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < questions.size(); ++i)
        if (encode_query(0, questions[i], false)) open.push_back(i);
    for (const Endpoint& server : settings_.servers) {
        if (open.empty()) break;
        std::vector<DnsQuestion> asked;
        for (const std::size_t i : open) asked.push_back(questions[i]);
        auto answered = postoffice::ask_together(server, asked, Deadline::after(share));
        std::vector<std::size_t> still_open;
        for (std::size_t k = 0; k < open.size(); ++k) {
            if (!answered[k] || !fault_of(*answered[k]).empty()) {
                still_open.push_back(open[k]);
                continue;
            }
            QuickAnswer& result = results[open[k]];
            for (auto& record : answered[k]->answers)
                if (record.type == asked[k].type) result.records.push_back(std::move(record));
            result.status = !result.records.empty()                      ? DnsStatus::found
                            : answered[k]->code == DnsCode::no_such_name ? DnsStatus::no_name
                                                                         : DnsStatus::no_data;
        }
        open = std::move(still_open);
    }
    return results;
}

}  // namespace postoffice
