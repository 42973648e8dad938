// NOTIFY, ENVID and ORCPT as clients write them: what is taken is printable ASCII within its bounds, is taken
// again as it was kept, and survives a journal.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "postoffice/base/utf8.h"
#include "postoffice/mail/address.h"
#include "postoffice/queue/journal.h"

namespace {

using namespace postoffice;

void require(bool holds) {
    if (!holds) std::abort();
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

void check_in_journal(const RecipientWishes& wishes, const std::string& envelope_id) {
    Envelope envelope;
    envelope.parameters.envelope_id = envelope_id;
    const Address address("bob", "b.test");
    envelope.recipients.push_back({address, {Destination::Remote{}, address}, {}, wishes});
    const Journal journal = parse_journal(journal_header("ID", envelope));
    require(journal.envelope.recipients.at(0).wishes == wishes);
    require(journal.envelope.parameters.envelope_id == envelope_id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    RecipientWishes wishes;
    if (const auto notify = parse_notify(text)) {
        require(parse_notify(notify->text()) == notify);
        require(notify->is_given() &&
                !(notify->never && (notify->success || notify->failure || notify->delay)));
        wishes.notify = *notify;
    }
    if (const auto original = parse_original_recipient(text)) {
        require(is_printable(*original) && original->find(' ') == std::string::npos);
        require(original->size() <= most_kept_original_recipient);
        require(parse_original_recipient(*original) == original);
        require(is_printable(original_recipient_text(*original)));
        wishes.original_recipient = *original;
    }
    const bool is_id = is_envelope_id(text);
    if (is_id) require(text.size() <= max_envelope_id && is_printable(from_xtext(text).value()));
    check_in_journal(wishes, is_id ? std::string(text) : "");
    require(from_xtext(to_xtext(text)) == text);
    if (is_utf8(text)) require(is_ascii(original_recipient_of(Address(std::string(text), "b.test"))));
    return 0;
}
