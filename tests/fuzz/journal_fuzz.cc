// Journals come from a disk that may have lost anything.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "postoffice/base/error.h"
#include "postoffice/queue/journal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace postoffice;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        const Journal journal = parse_journal(text);
        if (journal_is_unfinished(text)) std::abort();
        // What was understood can be written and is understood the same way.
        const Journal again = parse_journal(journal_header(journal.id, journal.envelope));
        if (again.id != journal.id || again.envelope.sender != journal.envelope.sender) std::abort();
        if (again.envelope.recipients.size() != journal.recipients.size()) std::abort();
        for (std::size_t i = 0; i < journal.recipients.size(); ++i)
            if (again.envelope.recipients[i].original != journal.envelope.recipients[i].original)
                std::abort();
    } catch (const FormatError&) {
    }
    return 0;
}
