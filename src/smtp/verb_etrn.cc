// ETRN: a host that was away asks for the mail that waits for it. RFC 1985.
#include <fmt/format.h>

#include "postoffice/base/idn.h"
#include "postoffice/base/log.h"
#include "verb.h"

namespace postoffice {
namespace {

Reply start_run(Dialogue& dialogue, const std::string& domain, bool subdomains) {
    try {
        const std::size_t found = dialogue.services.flusher->flush(domain, subdomains);
        log_event("", "etrn",
                  {{"client", dialogue.client()}, {"domain", domain}, {"count", std::to_string(found)}});
        if (found == 0) return {251, "2.0.0", fmt::format("No messages waiting for {}", domain)};
        return {253, "2.0.0", fmt::format("{} pending messages for {} started", found, domain)};
    } catch (const std::system_error& error) {
        log_event("", "etrn-failed",
                  {{"client", dialogue.client()}, {"domain", domain}, {"reason", error.what()}});
        return {458, "4.3.0", fmt::format("Unable to queue messages for {} now", domain)};
    }
}

}  // namespace

bool offers_etrn(Dialogue& dialogue) {
    if (dialogue.services.flusher == nullptr) return false;
    return dialogue.client_is_local() || is_one_of(dialogue.config().smtp.etrn, dialogue.facts());
}

// "@domain" is the domain and all below it; "#name", a queue by another name, there is none (section 5.2).
Reply perform_etrn(Dialogue& dialogue, const Command& command) {
    if (dialogue.services.flusher == nullptr) return {502, "5.5.1", "That command is not offered here"};
    std::string_view argument = command.argument;
    const bool subdomains = argument.starts_with('@');
    if (subdomains) argument.remove_prefix(1);
    const std::string domain = domain_to_ascii(argument).value_or("");
    if (!is_valid_domain(domain)) return syntax_error("ETRN");
    if (!offers_etrn(dialogue))
        return {459, "4.7.1", fmt::format("Node {} not allowed: you may not ask for mail", domain)};
    return start_run(dialogue, domain, subdomains);
}

}  // namespace postoffice
