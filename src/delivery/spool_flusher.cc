#include "postoffice/delivery/spool_flusher.h"

#include "postoffice/base/error.h"

namespace postoffice {
namespace {

bool waits_for(const Journal& journal, const std::string& domain, bool subdomains) {
    if (journal.held) return false;
    for (std::size_t i = 0; i < journal.recipients.size(); ++i) {
        const Destination& destination = journal.envelope.recipients[i].destination;
        if (journal.recipients[i].status != RecipientState::Status::waiting) continue;
        if (!destination.is<Destination::Remote>()) continue;
        const std::string& its = destination.address.domain();
        if (its == domain || (subdomains && its.ends_with("." + domain))) return true;
    }
    return false;
}

}  // namespace

std::size_t SpoolFlusher::flush(const std::string& domain, bool subdomains) {
    std::size_t found = 0;
    for (const Spool::Item& item : spool_.scan()) {
        try {
            const auto journal = spool_.peek(item.id);
            if (!journal || !waits_for(*journal, domain, subdomains)) continue;
        } catch (const FormatError&) {
            continue;  // damaged: the process that takes it moves it aside
        }
        (void)notifications_.wanted_now(item.id);
        ++found;
    }
    return found;
}

}  // namespace postoffice
