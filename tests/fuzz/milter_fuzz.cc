// What a filter says: however its octets are cut, they are the same packets; an answer has a name where it
// needs one; a reply to a client has one code, and printable ASCII; a changed header is still a header.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "../../src/milter/filter_reply.h"
#include "../../src/milter/message_edit.h"
#include "../../src/milter/protocol.h"
#include "postoffice/base/error.h"
#include "postoffice/mail/header.h"

namespace {

using namespace postoffice;
using namespace postoffice::milter;

void require(bool holds) {
    if (!holds) std::abort();
}

std::vector<std::string> packets(std::string_view octets, std::size_t piece) {
    std::vector<std::string> all;
    PacketReader reader;
    try {
        while (!octets.empty()) {
            reader.feed(octets.substr(0, piece));
            octets.remove_prefix(std::min(piece, octets.size()));
            while (const auto packet = reader.take()) all.push_back(packet->kind + packet->data);
        }
    } catch (const FormatError&) {
        all.emplace_back("bad");
    }
    return all;
}

void check_reply(std::string_view text) try {
    const Reply reply = parse_filter_reply(text);
    require(reply.code >= 400 && reply.code <= 599);
    require(reply.status.front() - '0' == reply.code / 100);
    require(!reply.text.empty() && std::all_of(reply.text.begin(), reply.text.end(),
                                               [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
} catch (const FormatError&) {
}

void check_header(const MessageContent& content) {
    for (const ContentField& field : content.fields()) {
        std::string_view text = field.text;
        const auto read = read_field(text);
        require(read && text.empty() && read->name == field.name);
    }
}

void check_changes(const std::vector<std::string>& answers) {
    const FilterChanges allowed;
    const BodyStore store{".", 0, 1000};
    Message message(".");
    message.append("Received: here\nSubject: a\n b\n\nbody\n");
    MessageContent content(message);
    MessageEdit edit(content, allowed, store, answers.size() % 2 == 0);
    try {
        for (const std::string& text : answers) {
            const Answer answer = parse_answer({text[0], text.substr(1)});
            if (is_change(answer.kind)) edit.take(answer);
        }
    } catch (const FormatError&) {
        return;
    }
    edit.apply_to(content);
    check_header(content);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view octets(reinterpret_cast<const char*>(data), size);
    const auto whole = packets(octets, size + 1);
    require(whole == packets(octets, 1));
    check_reply(octets);
    check_changes(whole);
    return 0;
}
