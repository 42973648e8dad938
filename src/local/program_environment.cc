#include "program_environment.h"

#include <cstdlib>

#include "postoffice/base/clock.h"
#include "postoffice/base/text.h"
#include "postoffice/mail/header.h"
#include "postoffice/routing/user_files.h"

namespace postoffice {
namespace {

/// What follows the first of these octets; "" without one.
std::string behind_first(const std::string& text, char octet) {
    const auto at = text.find(octet);
    return at == text.npos ? "" : text.substr(at + 1);
}

std::string before_last(const std::string& text, char octet) {
    return text.substr(0, text.rfind(octet));
}

void add_parts(Environment& variables, const ProgramFacts& facts) {
    std::string extension = facts.extension, host = facts.recipient.domain();
    for (const std::string number : {"2", "3", "4"}) {
        extension = behind_first(extension, '-');
        host = before_last(host, '.');
        variables.emplace_back("EXT" + number, extension);
        variables.emplace_back("HOST" + number, host);
    }
}

/// The part of the extension that "default" stands for in the name of a dot-qmail file.
void add_default(Environment& variables, const ProgramFacts& facts) {
    const std::string start = qmail_name("");
    std::string_view name = facts.file;
    name.remove_prefix(name.rfind('/') + 1);
    if (!name.starts_with(start) || !name.ends_with("default")) return;
    const std::size_t before = name.size() - start.size() - std::string_view("default").size();
    if (before <= facts.extension.size()) variables.emplace_back("DEFAULT", facts.extension.substr(before));
}

}  // namespace

Environment program_environment(const Config& config, const Account& account, const ProgramFacts& facts) {
    Environment variables{{"PATH", program_path()},
                          {"SHELL", "/bin/sh"},
                          {"HOME", account.home},
                          {"USER", account.name},
                          {"LOGNAME", account.name},
                          {"SENDER", facts.sender},
                          {"NEWSENDER", facts.new_sender},
                          {"RECIPIENT", facts.recipient_text},
                          {"LOCAL", facts.recipient.local_part()},
                          {"HOST", facts.recipient.domain()},
                          {"EXTENSION", facts.extension},
                          {"EXT", facts.extension},
                          {"QUEUE_ID", facts.id},
                          {"HOSTNAME", config.identity.hostname}};
    add_parts(variables, facts);
    add_default(variables, facts);
    if (const char* zone = std::getenv("TZ")) variables.emplace_back("TZ", zone);
    for (auto& [name, value] : variables) value = printable(value);
    variables.emplace_back("UFLINE", mbox_from_line(printable(facts.sender), mailbox_date(now_unix())));
    variables.emplace_back("RPLINE", "Return-Path: <" + printable(facts.sender) + ">\n");
    variables.emplace_back("DTLINE", "Delivered-To: " + printable(facts.recipient_text) + "\n");
    return variables;
}

}  // namespace postoffice
