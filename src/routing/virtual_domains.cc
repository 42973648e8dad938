#include "postoffice/routing/virtual_domains.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/config/config_file.h"
#include "postoffice/config/values.h"

namespace postoffice {
namespace {

/// "active" is a number: 0 is not active, whatever else stands in the line.
VirtualDomain parse_line(std::string_view rest, unsigned line) {
    VirtualDomain domain;
    domain.line = line;
    domain.owner = trim(read_until(rest, ':'));
    auto name = trim(read_until(rest, ':'));
    domain.with_subdomains = name.starts_with('.');
    if (domain.with_subdomains) name.remove_prefix(1);
    const auto active = trim(read_until(rest, ':'));
    domain.comment = trim(rest);
    const auto checked = parse_domain(name);
    domain.name = checked ? *checked : to_lower(name);
    const auto number = parse_number(active);
    domain.active = number && *number != 0;
    if (!checked)
        domain.problem = checked.problem();
    else if (domain.owner.empty())
        domain.problem = "no owner";
    else if (printable(domain.owner) != domain.owner || domain.owner.size() > 64)
        domain.problem = "the owner is no login name and no uid";
    else if (!number)
        domain.problem = "the third field is neither 0 nor 1";
    return domain;
}

}  // namespace

std::vector<VirtualDomain> parse_domains(std::string_view text) {
    text = without_byte_order_mark(text);
    std::vector<VirtualDomain> domains;
    std::map<std::string, unsigned, std::less<>> lines;
    for (unsigned line = 1; !text.empty(); ++line) {
        const auto content = trim(read_until(text, '\n'));
        if (content.empty() || content.front() == '#') continue;
        VirtualDomain domain = parse_line(content, line);
        const auto [first, is_new] = lines.try_emplace(domain.name, line);
        if (!is_new && domain.problem.empty())
            domain.problem = fmt::format("{} is already in line {}", domain.name, first->second);
        domains.push_back(std::move(domain));
    }
    return domains;
}

DomainTable::DomainTable(std::string folder) : folder_(std::move(folder)), file_(folder_ + "/domains.cf") {}

bool DomainTable::refresh() {
    if (folder_.empty()) return false;
    struct stat status {};
    const bool is_there = ::stat(file_.c_str(), &status) == 0;
    if (!is_there && errno != ENOENT && errno != ENOTDIR)
        return give_up(std::generic_category().message(errno));
    const FileStamp stamp = is_there ? FileStamp::of(status) : FileStamp();
    if (stamp_ == stamp) return false;

    const TrustedFile file = is_there ? read_trusted_file(file_, ::geteuid()) : TrustedFile();
    if (file.exit_code != 0) return give_up(file.problem);
    domains_.clear();
    any_subdomains_ = false;
    problem_.clear();
    RepeatedEvent broken("domain-broken", {"file", file_});
    for (VirtualDomain& domain : parse_domains(file.text)) {
        if (!domain.problem.empty())
            broken.log({{"file", file_}, {"line", std::to_string(domain.line)}, {"reason", domain.problem}});
        any_subdomains_ = any_subdomains_ || domain.with_subdomains;
        domains_.try_emplace(domain.name, std::move(domain));  // of two with one name the first
    }
    stamp_ = stamp;
    return true;
}

bool DomainTable::give_up(const std::string& problem) {
    if (problem != problem_) log_event("", "domains-unusable", {{"file", file_}, {"reason", problem}});
    domains_.clear();
    stamp_.reset();
    problem_ = problem;
    return true;
}

void DomainTable::require_readable() const {
    if (!problem_.empty()) throw FormatError(fmt::format("{}: {}", file_, problem_));
}

std::vector<VirtualDomain> DomainTable::all() const {
    require_readable();
    std::vector<VirtualDomain> domains;
    for (const auto& [name, domain] : domains_) domains.push_back(domain);
    return domains;
}

const VirtualDomain* DomainTable::find_line(std::string_view name) const {
    require_readable();
    const auto domain = domains_.find(name);
    return domain == domains_.end() ? nullptr : &domain->second;
}

const VirtualDomain* DomainTable::find(std::string_view name) const {
    if (const VirtualDomain* domain = find_line(name)) return domain;
    if (!any_subdomains_) return nullptr;
    for (auto dot = name.find('.'); dot != name.npos; dot = name.find('.')) {
        name.remove_prefix(dot + 1);
        const VirtualDomain* domain = find_line(name);
        if (domain != nullptr && domain->with_subdomains) return domain;
    }
    return nullptr;
}

}  // namespace postoffice
