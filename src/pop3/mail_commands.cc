// The transaction state (RFC 1939 section 5), and QUIT, which makes the changes (section 6).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "command.h"
#include "postoffice/base/text.h"
#include "text_encoder.h"

namespace postoffice {
namespace {

constexpr std::size_t most_unsent = 256 * 1024;  // octets of lists, before some are sent

/// The message that an argument names, or the refusal.
struct Chosen {
    std::size_t index = 0;  ///< from 0
    std::optional<Pop3Answer> refusal = {};
};

Chosen choose(const Pop3Dialogue& dialogue, std::string_view argument) {
    const auto number = parse_number(argument);
    if (!number) return {0, refused("That is not the number of a message")};
    if (*number == 0 || *number > dialogue.maildrop->entries().size())
        return {0, refused(fmt::format("There is no message {}", *number))};
    if (dialogue.changes.deleted[*number - 1])
        return {0, refused(fmt::format("Message {} is deleted", *number))};
    return {static_cast<std::size_t>(*number - 1)};
}

using Describe = std::string (*)(const MaildropEntry&);

/// LIST and UIDL: one message, or all that are not deleted.
std::optional<Pop3Answer> list(Pop3Dialogue& dialogue, std::string_view argument, Describe describe) {
    const auto& entries = dialogue.maildrop->entries();
    if (!argument.empty()) {
        const Chosen chosen = choose(dialogue, argument);
        if (chosen.refusal) return chosen.refusal;
        return ok(fmt::format("{} {}", chosen.index + 1, describe(entries[chosen.index])));
    }
    std::string lines;
    dialogue.send("+OK List follows\r\n");
    for (std::size_t i = 0; i < entries.size(); ++i) {
        if (dialogue.changes.deleted[i]) continue;
        lines += fmt::format("{} {}\r\n", i + 1, describe(entries[i]));
        if (lines.size() < most_unsent) continue;
        dialogue.send(lines);
        lines.clear();
    }
    dialogue.send(lines + ".\r\n");
    return std::nullopt;
}

/// RETR and TOP. A message whose text cannot be sent to its end ends the session: no client must take a part
/// for all of it.
std::optional<Pop3Answer> send_message(Pop3Dialogue& dialogue, std::size_t index, std::uint64_t body_lines) {
    const std::uint64_t octets = dialogue.maildrop->entries()[index].octets;
    TextEncoder encoder;
    std::string encoded;
    const auto begin = [&] {
        if (std::exchange(dialogue.is_sending_text, true)) return;
        dialogue.send(body_lines == MaildropRead::whole ? fmt::format("+OK {} octets\r\n", octets)
                                                        : std::string("+OK Top of message follows\r\n"));
    };
    try {
        dialogue.maildrop->read(index, body_lines, [&](std::string_view piece) {
            begin();
            encoded.clear();
            encoder.encode(piece, encoded);
            dialogue.octets_sent += encoded.size();
            dialogue.send(encoded);
        });
    } catch (const MaildropRefused& error) {
        return refusal_of(error);
    }
    encoded.clear();
    encoder.finish(encoded);
    dialogue.send(encoded);
    dialogue.is_sending_text = false;
    return std::nullopt;
}

std::string count_and_octets(const std::vector<MaildropEntry>& entries, const std::vector<bool>& deleted) {
    std::uint64_t count = 0, octets = 0;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        if (deleted[i]) continue;
        ++count;
        octets += entries[i].octets;
    }
    return fmt::format("{} {}", count, octets);
}

}  // namespace

std::optional<Pop3Answer> perform_stat(Pop3Dialogue& dialogue, std::string_view) {
    return ok(count_and_octets(dialogue.maildrop->entries(), dialogue.changes.deleted));
}

std::optional<Pop3Answer> perform_list(Pop3Dialogue& dialogue, std::string_view argument) {
    return list(dialogue, argument, [](const MaildropEntry& entry) { return std::to_string(entry.octets); });
}

std::optional<Pop3Answer> perform_uidl(Pop3Dialogue& dialogue, std::string_view argument) {
    return list(dialogue, argument, [](const MaildropEntry& entry) { return entry.uid; });
}

std::optional<Pop3Answer> perform_retr(Pop3Dialogue& dialogue, std::string_view argument) {
    const Chosen chosen = choose(dialogue, argument);
    if (chosen.refusal) return chosen.refusal;
    auto refusal = send_message(dialogue, chosen.index, MaildropRead::whole);
    if (refusal) return refusal;
    dialogue.changes.read[chosen.index] = true;
    ++dialogue.fetched;
    return std::nullopt;
}

std::optional<Pop3Answer> perform_top(Pop3Dialogue& dialogue, std::string_view argument) {
    std::string_view lines = argument;
    const Chosen chosen = choose(dialogue, read_until(lines, ' '));
    if (chosen.refusal) return chosen.refusal;
    const auto number = parse_number(trim(lines));
    if (!number) return refused("TOP needs the number of a message and a number of lines");
    return send_message(dialogue, chosen.index, std::min(*number, MaildropRead::whole - 1));
}

std::optional<Pop3Answer> perform_dele(Pop3Dialogue& dialogue, std::string_view argument) {
    const Chosen chosen = choose(dialogue, argument);
    if (chosen.refusal) return chosen.refusal;
    dialogue.changes.deleted[chosen.index] = true;
    return ok(fmt::format("Message {} is deleted", chosen.index + 1));
}

std::optional<Pop3Answer> perform_rset(Pop3Dialogue& dialogue, std::string_view) {
    dialogue.changes.deleted.assign(dialogue.changes.deleted.size(), false);
    return ok(count_and_octets(dialogue.maildrop->entries(), dialogue.changes.deleted));
}

std::optional<Pop3Answer> perform_noop(Pop3Dialogue&, std::string_view) {
    return ok("");
}

/// The mailbox is closed before the answer: after that the client may log in again at once.
std::optional<Pop3Answer> perform_quit(Pop3Dialogue& dialogue, std::string_view) {
    dialogue.is_over = true;
    if (!dialogue.has_logged_in()) return ok("Goodbye");
    MaildropChanges& changes = dialogue.changes;
    const auto wanted =
        static_cast<std::size_t>(std::count(changes.deleted.begin(), changes.deleted.end(), true));
    changes.marks_read = dialogue.config().pop3.marks_read && !dialogue.leaves_no_trace;
    const bool has_changes = wanted > 0 || (changes.marks_read && dialogue.fetched > 0);
    try {
        dialogue.removed = dialogue.maildrop->update(has_changes ? changes : MaildropChanges());
    } catch (const MaildropRefused& error) {
        if (has_changes) return refusal_of(error);
    }
    if (dialogue.removed < wanted)  // RFC 1939 section 6
        return refused_with("SYS/TEMP", "Some deleted messages were not removed");
    return ok("Goodbye");
}

}  // namespace postoffice
