// domains.cf and a domain's passwd may hold anything; what is usable can be a path and a line of a log.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "../../src/commands/domains/domain_edits.h"
#include "../../src/commands/domains/mailed_update.h"
#include "../../src/commands/domains/user_update.h"
#include "postoffice/base/text.h"
#include "postoffice/config/values.h"
#include "postoffice/routing/domain_files.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace postoffice;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const VirtualDomain& domain : parse_domains(text)) {
        if (domain.line == 0) std::abort();
        if (!domain.problem.empty()) continue;
        if (domain.name.empty() || !parse_domain(domain.name) || domain.name.find('/') != domain.name.npos)
            std::abort();
        if (domain.owner.empty() || printable(domain.owner) != domain.owner) std::abort();
    }
    for (std::string_view rest = text; !rest.empty();)
        if (const auto user = parse_virtual_user(read_until(rest, '\n'))) {
            const std::string& name = user->name;
            if (name.empty() || name.size() > most_virtual_name || name.front() == '.' ||
                printable(name) != name || name.find_first_of("/:@*") != name.npos)
                std::abort();
            // A name that is taken out is out, and one that is put in is in.
            const auto without = without_user(text, name);
            if (!without || without_user(*without, name)) std::abort();
        }
    if (const auto line = find_update_line(text); line && line->find('\n') != line->npos) std::abort();
    if (const auto update = parse_user_update(text)) {
        if (!is_virtual_user_name(update->user)) std::abort();
        if (update->password && printable(*update->password) != *update->password) std::abort();
        if (update->forward && printable(*update->forward) != *update->forward) std::abort();
    }
    const std::string with = with_alias(text, "some-name", "x");
    const auto entries = parse_alias_file(with);
    bool found = false;
    for (const AliasEntry& entry : entries)
        found = found || (entry.name == "some-name" && entry.value == "x");
    if (!found) std::abort();
    return 0;
}
