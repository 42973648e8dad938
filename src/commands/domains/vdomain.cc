// vdomain: which virtual domains there are.
#include <fmt/format.h>
#include <getopt.h>
#include <sysexits.h>
#include <unistd.h>

#include <cstdio>
#include <vector>

#include "domain_edits.h"
#include "domain_setup.h"
#include "domain_tool.h"
#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/config/values.h"

namespace postoffice {
namespace {

struct DomainTask {
    std::optional<std::string> config_file;
    bool undo = false;
    std::vector<std::string> words;
};

constexpr const char* vdomain_usage =
    "usage: vdomain [-C file] show [domain ...]\n"
    "       vdomain [-C file] create domain owner [comment]\n"
    "       vdomain [-C file] delete | enable | disable domain\n"
    "       vdomain [-C file] --undo\n";

bool read_arguments(int argc, char** argv, DomainTask& task) {
    if (!read_tool_options(argc, argv, "+C:", task.config_file, [&](char) { task.undo = true; }))
        return false;
    task.words.assign(argv + ::optind, argv + argc);
    if (task.undo) return task.words.empty();
    if (task.words.empty()) return false;
    const std::string& verb = task.words[0];
    const auto count = task.words.size();
    if (verb == "show") return true;
    if (verb == "create") return count == 3 || count == 4;
    return (verb == "delete" || verb == "enable" || verb == "disable") && count == 2;
}

int show(const Config& config, const std::vector<std::string>& names) {
    DomainTable table(config.vhost.dir);
    table.refresh();
    std::vector<VirtualDomain> domains = names.empty() ? table.all() : std::vector<VirtualDomain>();
    for (const std::string& name : names) domains.push_back(find_domain(config, name));
    for (const VirtualDomain& domain : domains)
        print_output("{}\n",
                     printable(domain.problem.empty()
                                   ? fmt::format("{}{}: owner {}, {}{}{}", domain.name,
                                                 domain.with_subdomains ? " and all below it" : "",
                                                 domain.owner, domain.active ? "active" : "not active",
                                                 domain.comment.empty() ? "" : ": ", domain.comment)
                                   : fmt::format("{}:{}: {}", table.file(), domain.line, domain.problem)));
    return EX_OK;
}

VirtualDomain new_domain(const std::vector<std::string>& words) {
    VirtualDomain domain;
    domain.with_subdomains = words[1].starts_with('.');
    const auto name = parse_domain(words[1].substr(domain.with_subdomains ? 1 : 0));
    if (!name) throw ToolFailure{EX_DATAERR, name.problem()};
    domain.name = *name;
    domain.owner = words[2];
    domain.active = true;
    domain.comment = words.size() > 3 ? words[3] : "";
    if (printable(domain.comment) != domain.comment || domain.owner.find(':') != domain.owner.npos)
        throw ToolFailure{EX_DATAERR, "control character in the comment, or a colon in the owner"};
    return domain;
}

int change(const Config& config, const DomainTask& task) {
    if (::geteuid() != 0)
        throw ToolFailure{EX_NOPERM, "which domains there are, and which are active, is for root to say"};
    if (!task.undo && task.words[0] == "create") {
        const VirtualDomain domain = new_domain(task.words);
        (void)make_domain_folders(config, domain);
        enter_domain(config, domain);
        return EX_OK;
    }
    ChangedFile file(config.vhost.dir, "domains.cf", domain_table_rights);
    if (task.undo) {
        file.undo();
        return EX_OK;
    }
    VirtualDomain domain = find_domain(config, task.words[1]);
    if (task.words[0] == "delete") {
        file.replace(without_domain(file.text(), domain.name).value_or(file.text()));
        return EX_OK;
    }
    domain.active = task.words[0] == "enable";
    file.replace(with_domain(file.text(), domain));
    return EX_OK;
}

int carry_out(const DomainTask& task) {
    const Config config = config_for_tool(task.config_file);
    if (task.undo || task.words[0] != "show") return change(config, task);
    return show(config, {task.words.begin() + 1, task.words.end()});
}

}  // namespace

int vdomain(int argc, char** argv) {
    return run_domain_tool<DomainTask>({"vdomain", vdomain_usage, read_arguments, carry_out}, argc, argv);
}

}  // namespace postoffice
