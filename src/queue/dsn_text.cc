#include "dsn_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "postoffice/base/text.h"
#include "postoffice/queue/report.h"

namespace postoffice {
namespace {

/// Words on lines of at most 76 columns, all but the first begun with `indent`; longer words are cut.
std::string wrapped(std::string_view text, std::size_t first_column, std::string_view indent) {
    constexpr std::size_t width = 76;
    std::string result;
    std::size_t column = first_column;
    bool line_has_word = false;
    for (const auto word : split(text, ' ')) {
        if (word.empty()) continue;
        if (line_has_word && column + 1 + word.size() > width) {
            result += "\n";
            result += indent;
            column = indent.size();
            line_has_word = false;
        }
        if (line_has_word) {
            result += ' ';
            ++column;
        }
        result += word.substr(0, 900);  // RFC 5322 section 2.1.1: no line above 998
        column += word.size();
        line_has_word = true;
    }
    return result;
}

/// What a status means (RFC 3463 section 3), without a name. "" for the rare ones.
std::string_view meaning_of(std::string_view status) {
    static constexpr std::pair<std::string_view, std::string_view> meanings[] = {
        {"1.1", "No such mailbox"},
        {"1.2", "No such domain"},
        {"1.3", "The address is not written as addresses are"},
        {"1.10", "The domain takes no mail"},
        {"2.1", "The mailbox takes no mail"},
        {"2.2", "The mailbox is full"},
        {"2.3", "The message is too big for the mailbox"},
        {"3.4", "The message is too big"},
        {"4.1", "The host does not answer"},
        {"4.2", "The connection to the host broke"},
        {"4.3", "DNS does not answer"},
        {"4.6", "Mail loop"},
        {"4.7", "It was not delivered in time"},
        {"6.3", "The host does not take a message of this form"},
        {"6.7", "The host does not take addresses or fields beyond ASCII"},
        {"7.1", "Refused by a rule of the host"},
    };
    if (status.size() < 3) return "";
    for (const auto& [ending, meaning] : meanings)
        if (status.substr(2) == ending) return meaning;
    return "";
}

/// A recipient for people: the address that was asked for, and the one that it led to.
std::string recipient_text(const Recipient& recipient) {
    const std::string asked = text_line(recipient.original.display_text());
    const std::string final_one = text_line(final_address(recipient).display_text());
    if (asked == final_one) return fmt::format("<{}>", asked);
    return fmt::format("<{}>, which leads to <{}>", asked, final_one);
}

std::string tries_text(const Journal& journal, const RecipientState& state) {
    const UnixTime waited = state.last_attempt - journal.envelope.arrived;
    if (state.attempts < 2 || waited < 60) return "";
    return fmt::format("    Tried {} times in {}.\n", state.attempts,
                       duration_text(Seconds(waited / 60 * 60)));
}

/// Why a recipient has no message, or not yet.
std::string trouble_text(const Journal& journal, std::size_t index) {
    const Recipient& recipient = journal.envelope.recipients[index];
    const RecipientState& state = journal.recipients[index];
    const std::string line = ascii_line(state.last.reply.line());
    const auto mark = line.find(last_words_mark);
    std::string text;
    // First what every reader understands, then the words of hosts.
    if (const std::string_view meaning = meaning_of(state.last.reply.status); !meaning.empty())
        text += fmt::format("    {}.\n", meaning);
    if (mark != line.npos) text += fmt::format("    {}:\n", wrapped(line.substr(0, mark), 4, "    "));
    if (recipient.disclosed)
        text += "    The address that it leads to did not take the message:\n";
    else if (!state.last.by.empty())
        text += fmt::format("    {} said:\n", ascii_line(state.last.by));
    text += fmt::format("    {}\n", wrapped(remote_words(recipient, state), 4, "    "));
    return text + tries_text(journal, state);
}

std::string success_text(DsnAction action, const Recipient& recipient, const RecipientState& state) {
    if (action == DsnAction::delivered) return "    It has been delivered.\n";
    if (action == DsnAction::expanded)
        return "    It goes to all members of this list; you will not hear of each.\n";
    if (recipient.disclosed) return "    It was passed on to another host.\n";
    return fmt::format("    It was passed on to {},\n    which does not tell what becomes of it.\n",
                       ascii_line(state.last.by));
}

std::string opening(const Journal& journal, const DsnRequest& request) {
    const DsnAction action = main_action(request);
    std::string_view what = "was passed on:";
    if (action == DsnAction::failed) what = "could not be delivered to:";
    if (action == DsnAction::delayed) what = "could not be delivered yet to:";
    if (action == DsnAction::delivered) what = "has arrived:";
    return fmt::format("{} message of {}\n{}\n", request.about_others ? "A" : "Your",
                       rfc5322_date(journal.envelope.arrived), what);
}

std::string closing(const DsnRequest& request, const ReturnedMessage& returned) {
    std::string text = "\n";
    const DsnAction action = main_action(request);
    if (action == DsnAction::failed)
        text +=
            request.entries.size() == 1 ? "It will not be tried again. " : "These will not be tried again. ";
    if (action == DsnAction::delayed)
        text += fmt::format("{}t is tried until\n{}. ",
                            request.about_others ? "I" : "You need not send it again: i",
                            rfc5322_date(request.retry_until));
    if (!returned.is_readable) return text + "The message itself could not be read any more.\n";
    const std::string_view article = request.about_others ? "the" : "your";
    if (!returned.is_whole) return text + fmt::format("The header of {} message is attached.\n", article);
    return text + fmt::format("{} message is attached.\n", request.about_others ? "The" : "Your");
}

}  // namespace

DsnAction main_action(const DsnRequest& request) {
    for (const DsnRequest::Entry& entry : request.entries)
        if (entry.action != DsnAction::delivered) return entry.action;
    return DsnAction::delivered;
}

const Address& final_address(const Recipient& recipient) {
    return recipient.disclosed ? *recipient.disclosed : recipient.destination.address;
}

std::string remote_words(const Recipient& recipient, const RecipientState& state) {
    const std::string line = ascii_line(state.last.reply.line());
    const auto mark = line.find(last_words_mark);
    std::string words = mark == line.npos ? line : line.substr(mark + last_words_mark.size());
    if (!recipient.disclosed) return words;
    const std::string code = words.substr(0, 3);
    const std::string status(
        split_enhanced_status(std::string_view(words).substr(std::min(words.size(), 4UL))).status);
    return std::string(trim(fmt::format("{} {} {}", code, status, meaning_of(status))));
}

std::string ascii_line(std::string_view text) {
    std::string result = text_line(text);
    for (char& c : result)
        if ((c & 0x80) != 0) c = '?';
    return result;
}

std::string subject_of(const DsnRequest& request) {
    const DsnAction action = main_action(request);
    const std::string subject = request.about_others ? "A message" : "Your message";
    if (action == DsnAction::failed) return subject + " could not be delivered";
    if (action == DsnAction::delayed) return subject + " is delayed";
    return subject + (action == DsnAction::delivered ? " was delivered" : " was passed on");
}

std::string human_part(const Journal& journal, const DsnRequest& request, const ReturnedMessage& returned) {
    std::string text = fmt::format("This is the mail system at {}.\n\n", request.hostname);
    text += opening(journal, request);
    for (const auto& [index, action] : request.entries) {
        const RecipientState& state = journal.recipients[index];
        text += fmt::format("\n  {}\n", recipient_text(journal.envelope.recipients[index]));
        const bool is_trouble = action == DsnAction::failed || action == DsnAction::delayed;
        text += is_trouble ? trouble_text(journal, index)
                           : success_text(action, journal.envelope.recipients[index], state);
    }
    return text + closing(request, returned);
}

}  // namespace postoffice
