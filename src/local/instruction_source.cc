#include "instruction_source.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/domain_files.h"
#include "postoffice/routing/user_files.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

using Kind = InstructionRequest::Kind;

bool is_target(const AliasTarget& target, std::string_view instruction) {
    if (target.kind == AliasTarget::Kind::program)
        return instruction.starts_with('|') && target.text == instruction.substr(1);
    return target.kind == AliasTarget::Kind::file && target.text == instruction;
}

/// True if the instruction stands in the value of an alias, or in a file that this includes with `include`.
template <class Include>
bool alias_has(std::string_view value, AliasPlace place, const std::string& instruction,
               const Include& include, unsigned depth = 0) {
    constexpr unsigned most_nested = 50;
    const auto targets = parse_destinations(value, place);
    if (!targets || depth > most_nested) return false;
    for (const AliasTarget& target : *targets) {
        if (is_target(target, instruction)) return true;
        if (target.kind != AliasTarget::Kind::include) continue;
        for (const IncludeLine& line : include(target.text))
            if (alias_has(line.value, place, instruction, include, depth + 1)) return true;
    }
    return false;
}

}  // namespace

InstructionSource InstructionLookup::find(const InstructionRequest& request, const std::string& extension) {
    const bool is_program = request.kind == Kind::program;
    if (!is_program && request.kind != Kind::file && request.kind != Kind::instructions) return {};
    if (is_program && !request.instruction.str().starts_with('|')) return {};
    if (!place_.in_aliases && !place_.domain) return find_in_user_file(request, extension);
    if (request.kind == Kind::instructions) return {};
    return place_.domain ? find_in_domain_alias(request) : find_in_host_alias(request);
}

InstructionSource InstructionLookup::find_in_user_file(const InstructionRequest& request,
                                                       const std::string& extension) {
    const bool is_whole = request.kind == Kind::instructions;
    const std::string instruction = request.instruction.str();
    const UserFile found =
        read_own_file(account_, names_of(account_.name, {to_lower(extension), ""}, config_), group_);
    InstructionSource source;
    source.path = found.path;
    if (found.status == UserFile::Status::temporary || found.status == UserFile::Status::no_permission) {
        source.problem = "The delivery file cannot be read now";
        return source;
    }
    if (found.status != UserFile::Status::found) {
        source.has_it = is_whole;  // the router could not see that there is no file: the mailbox
        return source;
    }
    auto file = parse_delivery_file(found.text, dialect_of(found.path));
    if (!file) {
        source.problem = "The delivery file has an error: " + file.problem();
        return source;
    }
    source.has_it =
        is_whole || std::any_of(file->instructions.begin(), file->instructions.end(), [&](const auto& i) {
            return i.kind == Instruction::Kind::deliver && is_target(i.target, instruction);
        });
    source.file = std::move(*file);
    return source;
}

InstructionSource InstructionLookup::find_in_host_alias(const InstructionRequest& request) const {
    const std::string alias = request.alias.str(), instruction = request.instruction.str();
    InstructionSource source;
    try {
        AliasTable aliases(config_.routing.aliases);
        aliases.refresh();
        const auto value = aliases.find(alias);
        const auto include = [&](const std::string& path) { return aliases.read_include(path); };
        source.has_it = value && alias_has(*value, AliasPlace::host, instruction, include);
    } catch (const std::exception& error) {
        source.problem = "The aliases cannot be read now";
        log_event(printable(request.id.str()), "instruction-failed",
                  {{"alias", alias}, {"reason", in_plain_words(error)}});
    }
    return source;
}

/// The process has the owner's rights, and so can read files that other accounts cannot.
InstructionSource InstructionLookup::find_in_domain_alias(const InstructionRequest& request) const {
    const std::string alias = request.alias.str(), instruction = request.instruction.str();
    const VirtualDomain& domain = *place_.domain;
    InstructionSource source;
    try {
        const DomainEntry entry =
            DomainFiles(config_.vhost.dir + "/" + domain.name, domain, vhost_uid(config_)).look_up(alias);
        if (entry.status != DomainEntry::Status::answered) throw FormatError(entry.problem);
        const auto include = [&](const std::string& path) { return read_domain_include(domain, path); };
        source.has_it = entry.alias && alias_has(*entry.alias, AliasPlace::domain, instruction, include);
    } catch (const std::exception& error) {
        source.problem = "The aliases of " + domain.name + " cannot be read now";
        log_event(printable(request.id.str()), "instruction-failed",
                  {{"alias", alias + "@" + domain.name}, {"reason", in_plain_words(error)}});
    }
    return source;
}

}  // namespace postoffice
