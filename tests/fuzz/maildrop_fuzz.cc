// Mailboxes, indexes and lists of ids with any content: places are in order and within the text, sizes and
// texts fit each other however the text is divided, and an index that is read is written as it was.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "../../src/maildrop/foreign_ids.h"
#include "../../src/maildrop/index.h"
#include "../../src/maildrop/mailbox_parser.h"
#include "../../src/maildrop/mailbox_text.h"
#include "postoffice/base/disk.h"

namespace {

using namespace postoffice;

void require(bool condition) {
    if (!condition) std::abort();
}

std::vector<ParsedMessage> parse(const MailboxForm& form, std::string_view text, std::size_t piece) {
    MailboxParser parser(form);
    std::string waiting;
    for (std::size_t at = 0; at < text.size(); at += piece) {
        waiting += text.substr(at, piece);
        const bool is_end = at + piece >= text.size();
        const std::size_t read = parser.read(waiting, is_end);
        require(read <= waiting.size() && (!is_end || read == waiting.size()));
        waiting.erase(0, read);
    }
    return parser.finish();
}

bool are_same(const ParsedMessage& a, const ParsedMessage& b) {
    return a.place.start == b.place.start && a.place.text == b.place.text && a.place.end == b.place.end &&
           a.place.next == b.place.next && a.facts.octets == b.facts.octets && a.facts.hash == b.facts.hash;
}

void check_mailbox(const MailboxForm& form, std::string_view text, int file) {
    const auto messages = parse(form, text, text.size() + 1);
    const auto in_pieces = parse(form, text, 7);
    require(messages.size() == in_pieces.size());
    std::uint64_t behind = 0;
    for (std::size_t i = 0; i < messages.size(); ++i) {
        require(are_same(messages[i], in_pieces[i]));
        const MessagePlace& place = messages[i].place;
        require(behind <= place.start && place.start <= place.text && place.text <= place.end &&
                place.end <= place.next && place.next <= text.size());
        behind = place.next;
        std::uint64_t octets = 0;
        char last = '\n';
        read_message(file, form, place, [&](std::string_view piece) {
            for (const char c : piece) {
                octets += c == '\n' && last != '\r' ? 2U : 1U;
                last = c;
            }
            return true;
        });
        require(octets == messages[i].facts.octets && last == '\n');
        require(read_facts(file, form, place).hash == messages[i].facts.hash);
    }
    require(messages.empty() || behind == text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const Fd file = disk::memory_file(text);
    for (const bool has_from_lines : {false, true})
        for (const bool escape_from : {false, true})
            check_mailbox({has_from_lines, escape_from}, text, file.get());
    if (const auto index = MaildropIndex::parse(text)) require(index->to_text() == text);
    (void)read_dovecot_uidlist(text);
    (void)read_courier_sizelist(text);
    (void)read_plain_ids(text);
    if (const auto header = with_read_status(text)) require(header->replaces <= text.size());
    return 0;
}
