#include "postoffice/policy/spf.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "postoffice/base/text.h"
#include "spf_macros.h"
#include "spf_record.h"

namespace postoffice {
namespace {

// RFC 7208 section 4.6.4.
constexpr unsigned most_terms = 10;     // that ask DNS, in all records together
constexpr unsigned most_voids = 2;      // of these, for which DNS has no record
constexpr std::size_t most_hosts = 10;  // of one mx or ptr
constexpr Seconds patience_for_spf{20};

constexpr std::size_t longest_name = 253;  // section 7.3: without the length octets
// A prefix that is shorter than any that the registries assign.
constexpr unsigned least_bits_v4 = 8, least_bits_v6 = 16;

/// Whether DNS can be asked for it at all.
bool is_dns_name(std::string_view name) {
    if (name.empty() || name.size() > longest_name) return false;
    for (const auto label : split(name, '.'))
        if (label.empty() || label.size() > 63 || !std::all_of(label.begin(), label.end(), [](char c) {
                return c >= ' ' && c < 0x7f && c != '\\';
            }))
            return false;
    return true;
}

/// As DNS is asked for it: "%_" makes a blank, which is spelt by its number there.
std::string question_name(std::string_view name) {
    std::string result;
    for (const char c : name) result += c == ' ' ? std::string("\\032") : std::string(1, c);
    return result;
}

bool are_equal_for(unsigned bits, const IpAddress& a, const IpAddress& b) {
    if (a.is_v6() != b.is_v6()) return false;
    const std::string_view x = a.bytes(), y = b.bytes();
    const std::size_t whole = bits / 8;
    if (x.substr(0, whole) != y.substr(0, whole)) return false;
    if (bits % 8 == 0) return true;
    return ((static_cast<unsigned char>(x[whole]) ^ static_cast<unsigned char>(y[whole])) >>
            (8 - bits % 8)) == 0;
}

/// %{i}: dotted, for IPv6 each half octet (section 7.3).
std::string macro_text(const IpAddress& address) {
    if (!address.is_v6()) return address.to_string();
    std::string text;
    for (const char c : address.bytes())
        text += fmt::format("{}{:x}.{:x}", text.empty() ? "" : ".", static_cast<unsigned char>(c) >> 4,
                            static_cast<unsigned char>(c) & 0xf);
    return text;
}

/// One call of check_host() with all that it calls in turn.
class Check {
  public:
    Check(const SpfDns& dns, const SpfClaim& claim) : dns_(dns), claim_(claim) {
        local_part_ = claim.sender.local_part().empty() ? "postmaster" : claim.sender.local_part();
        domain_ = normalized_name(claim.sender.is_null() ? claim.helo : claim.sender.domain());
    }

    SpfVerdict run() { return check(domain_); }

  private:
    /// Whether a mechanism matches, or why that cannot be known.
    struct Match {
        enum Kind { no, yes, temporary, permanent } kind = no;
        std::string why{};
        bool is_everybody = false;
    };

    SpfVerdict check(const std::string& domain) {
        if (!is_dns_name(domain) || domain.find('.') == domain.npos || domain.front() == '[')
            return {SpfResult::none, fmt::format("\"{}\" is no domain", printable(domain)), false};
        const RecordLookup answer = dns_(domain, DnsType::txt);
        if (answer.status == DnsStatus::temporary)
            return {SpfResult::temperror, printable(answer.why), false};
        const DnsRecord* found = nullptr;
        for (const DnsRecord& record : answer.records) {
            if (!is_spf_record(record.text)) continue;
            if (found) return {SpfResult::permerror, domain + " has more than one record", false};
            found = &record;
        }
        if (!found) return {SpfResult::none, domain + " has no record", false};
        const auto record = parse_spf_record(found->text);
        if (!record) return {SpfResult::permerror, fmt::format("{}: {}", domain, record.problem()), false};
        return evaluate(*record, domain);
    }

    SpfVerdict evaluate(const SpfRecord& record, const std::string& domain) {
        for (const SpfTerm& term : record.terms) {
            const Match match = matches(term, domain);
            if (match.kind == Match::no) continue;
            const auto why =
                fmt::format("{} of {}{}{}", term.text, domain, match.why.empty() ? "" : ": ", match.why);
            if (match.kind == Match::temporary) return {SpfResult::temperror, why, false};
            if (match.kind == Match::permanent) return {SpfResult::permerror, why, false};
            return {term.result, why, term.result == SpfResult::pass && match.is_everybody};
        }
        if (record.redirect.empty()) return {SpfResult::neutral, domain + " says nothing of it", false};
        if (!count_term()) return {SpfResult::permerror, domain + ": too many terms that ask DNS", false};
        SpfVerdict verdict = check(target(record.redirect, domain));
        if (verdict.result == SpfResult::none) verdict.result = SpfResult::permerror;  // section 6.1
        return verdict;
    }

    Match matches(const SpfTerm& term, const std::string& domain) {
        using Kind = SpfTerm::Kind;
        switch (term.kind) {
            case Kind::all:
                return {Match::yes, "", true};
            case Kind::ip4:
            case Kind::ip6:
                // An IPv4 client stays one, however the network is written: "ip6:::ffff:192.0.2.1" matches
                // none.
                if (term.network.is_v6() != (term.kind == Kind::ip6)) return {};
                return by_address(term, {term.network});
            default:
                break;
        }
        if (!count_term()) return {Match::permanent, "too many terms that ask DNS"};
        const std::string name = target(term.domain, domain);
        switch (term.kind) {
            case Kind::include:
                return by_include(name);
            case Kind::exists:
                return by_existence(name);
            case Kind::a:
                return by_host(term, name);
            case Kind::mx:
                return by_mail_hosts(term, name);
            case Kind::ptr:
                return by_own_name(name);
            default:
                return {};
        }
    }

    Match by_address(const SpfTerm& term, const std::vector<IpAddress>& addresses) const {
        const bool is_v6 = claim_.client.is_v6();
        const unsigned bits = is_v6 ? term.bits_v6 : term.bits_v4;
        const bool is_everybody = bits < (is_v6 ? least_bits_v6 : least_bits_v4);
        const bool fits = std::any_of(addresses.begin(), addresses.end(), [&](const IpAddress& address) {
            return address.is_v6() == is_v6 && are_equal_for(bits, address, claim_.client);
        });
        return fits ? Match{Match::yes, "", is_everybody} : Match{};
    }

    /// Section 5.2.
    Match by_include(const std::string& name) {
        const SpfVerdict verdict = check(name);
        switch (verdict.result) {
            case SpfResult::pass:
                return {Match::yes, verdict.why, verdict.passes_everybody};
            case SpfResult::temperror:
                return {Match::temporary, verdict.why};
            case SpfResult::permerror:
            case SpfResult::none:
                return {Match::permanent, verdict.why};
            default:
                return {};
        }
    }

    /// Always an A record, whatever the client's address is (section 5.7).
    Match by_existence(const std::string& name) {
        const auto answer = ask(name, DnsType::a);
        if (auto error = temporary_error(answer)) return *error;
        return answer.records.empty() ? Match{} : Match{Match::yes};
    }

    Match by_host(const SpfTerm& term, const std::string& name) {
        const auto answer = ask(name, address_type());
        if (auto error = temporary_error(answer)) return *error;
        return by_address(term, addresses_of(answer));
    }

    Match by_mail_hosts(const SpfTerm& term, const std::string& name) {
        const auto hosts = ask(name, DnsType::mx);
        if (auto error = temporary_error(hosts)) return *error;
        if (hosts.records.size() > most_hosts)
            return {Match::permanent, fmt::format("{} has more than {} mail hosts", name, most_hosts)};
        for (const DnsRecord& host : hosts.records) {
            if (!is_dns_name(host.target)) continue;
            const auto answer = dns_(host.target, address_type());
            if (answer.status == DnsStatus::temporary) return {Match::temporary, printable(answer.why)};
            if (auto match = by_address(term, addresses_of(answer)); match.kind == Match::yes) return match;
        }
        return {};
    }

    /// Section 5.5. DNS errors are no match.
    Match by_own_name(const std::string& name) {
        const std::string wanted = normalized_name(name);
        for (const std::string& own : names_of_client())
            if (own == wanted || own.ends_with("." + wanted)) return {Match::yes};
        return {};
    }

    /// Those of the first ten that lead back.
    const std::vector<std::string>& names_of_client() {
        if (names_) return *names_;
        names_.emplace();
        const auto pointers = dns_(claim_.client.reverse_name(), DnsType::ptr);
        for (std::size_t i = 0; i < std::min(pointers.records.size(), most_hosts); ++i) {
            const std::string& name = pointers.records[i].target;
            if (!is_dns_name(name)) continue;
            const auto addresses = addresses_of(dns_(name, address_type()));
            if (std::find(addresses.begin(), addresses.end(), claim_.client) != addresses.end())
                names_->push_back(normalized_name(name));
        }
        return *names_;
    }

    /// %{p}: the domain itself, a name in it, or any (section 7.3).
    std::string client_name(const std::string& domain) {
        const auto& names = names_of_client();
        for (const std::string& name : names)
            if (name == domain) return name;
        for (const std::string& name : names)
            if (name.ends_with("." + domain)) return name;
        return names.empty() ? "unknown" : names.front();
    }

    std::string macro_value(char letter, const std::string& domain) {
        switch (letter) {
            case 's':
                return local_part_ + "@" + domain_;
            case 'l':
                return local_part_;
            case 'o':
                return domain_;
            case 'd':
                return domain;
            case 'i':
                return macro_text(claim_.client);
            case 'p':
                return client_name(domain);
            case 'v':
                return claim_.client.is_v6() ? "ip6" : "in-addr";
            default:
                return claim_.helo;
        }
    }

    /// The domain that a term is about.
    std::string target(const std::string& spec, const std::string& domain) {
        if (spec.empty()) return domain;
        std::string name = expand_spf_macros(spec, [&](char letter) { return macro_value(letter, domain); });
        if (name.ends_with('.')) name.pop_back();
        while (name.size() > longest_name) {
            const std::size_t dot = name.find('.');
            if (dot == name.npos) break;
            name.erase(0, dot + 1);
        }
        return to_lower(name);
    }

    /// A term's own question, which must not too often be about nothing. A name that cannot be asked for, as
    /// macros make it of odd input, has no record (section 4.8 leaves that open).
    RecordLookup ask(const std::string& name, DnsType type) {
        if (!is_dns_name(name)) return {DnsStatus::no_data, {}, ""};
        RecordLookup answer = dns_(question_name(name), type);
        if (answer.status == DnsStatus::no_data || answer.status == DnsStatus::no_name) ++voids_;
        return answer;
    }

    std::optional<Match> temporary_error(const RecordLookup& answer) const {
        if (answer.status == DnsStatus::temporary) return Match{Match::temporary, printable(answer.why)};
        if (voids_ > most_voids) return Match{Match::permanent, "too many names that DNS knows nothing of"};
        return std::nullopt;
    }

    static std::vector<IpAddress> addresses_of(const RecordLookup& answer) {
        std::vector<IpAddress> addresses;
        for (const DnsRecord& record : answer.records) addresses.push_back(record.address);
        return addresses;
    }

    bool count_term() { return ++terms_ <= most_terms; }
    DnsType address_type() const { return claim_.client.is_v6() ? DnsType::aaaa : DnsType::a; }

    const SpfDns& dns_;
    const SpfClaim& claim_;
    std::string local_part_;
    std::string domain_;
    unsigned terms_ = 0;
    unsigned voids_ = 0;
    std::optional<std::vector<std::string>> names_;
};

}  // namespace

std::string_view to_string(SpfResult result) {
    constexpr std::string_view names[] = {"none",     "neutral",   "pass",     "fail",
                                          "softfail", "temperror", "permerror"};
    return names[static_cast<std::size_t>(result)];
}

SpfVerdict check_spf(const SpfDns& dns, const SpfClaim& claim) {
    return Check(dns, claim).run();
}

SpfVerdict check_spf(const Resolver& resolver, const SpfClaim& claim) {
    const Resolver bounded = resolver.until(Deadline::after(patience_for_spf));
    return check_spf([&](const std::string& name, DnsType type) { return bounded.records(name, type); },
                     claim);
}

}  // namespace postoffice
