#include "postoffice/mail/destination.h"

#include "postoffice/base/overloaded.h"
#include "postoffice/base/text.h"

namespace postoffice {

std::string describe(const Destination::Source& source) {
    return std::visit(
        Overloaded{
            [](const Destination::InUserFile& in) { return in.user; },
            [](const Destination::InHostAlias& in) { return "alias " + in.name; },
            [](const Destination::InDomainAlias& in) { return "alias " + in.name + "@" + in.domain; },
        },
        source);
}

std::string describe(const Destination& destination) {
    if (const auto* source = source_of(destination))
        return printable(instruction_of(destination)) + " of " + describe(*source);
    return std::visit(
        Overloaded{
            [](const Destination::Mailbox& mailbox) { return mailbox.user; },
            [](const Destination::VirtualMailbox& mailbox) { return mailbox.user + "@" + mailbox.domain; },
            [](const Destination::Instructions& file) { return printable(file.path) + " of " + file.user; },
            [&](const Destination::Remote&) { return destination.address.to_string(); },
            [](const Destination::Discard&) { return std::string("/dev/null"); },
            [](const auto&) { return std::string("not known yet"); },
        },
        destination.kind);
}

std::string destination_key(const Destination& destination) {
    const std::string kind(1, static_cast<char>('a' + destination.kind.index()));
    if (destination.is<Destination::Discard>()) return kind;
    if (destination.is<Destination::Unrouted>()) return kind + destination.address.to_string();
    if (const auto* source = source_of(destination)) {
        // The program of an alias that is a route is told the address, and may send a fax to it.
        const bool is_told = destination.is<Destination::Program>() &&
                             std::holds_alternative<Destination::InHostAlias>(*source);
        return kind + instruction_of(destination) + "\n" + describe(*source) +
               (is_told ? "\n" + destination.address.to_string() : "");
    }
    return kind + describe(destination);
}

std::string mailbox_user_of(const Destination& destination) {
    if (const auto* mailbox = destination.as<Destination::Mailbox>()) return mailbox->user;
    const auto* mailbox = destination.as<Destination::VirtualMailbox>();
    return mailbox == nullptr ? "" : mailbox->user;
}

std::string account_of(const Destination& destination) {
    if (const auto* source = source_of(destination)) {
        const auto* in = std::get_if<Destination::InUserFile>(source);
        return in == nullptr ? "" : in->user;
    }
    return std::visit(Overloaded{
                          [](const Destination::Mailbox& mailbox) { return mailbox.user; },
                          [](const Destination::Instructions& file) { return file.user; },
                          [](const Destination::Discard& discard) { return discard.user; },
                          [](const auto&) { return std::string(); },
                      },
                      destination.kind);
}

std::string virtual_domain_of(const Destination& destination) {
    if (const auto* mailbox = destination.as<Destination::VirtualMailbox>()) return mailbox->domain;
    const auto* source = source_of(destination);
    const auto* in = source == nullptr ? nullptr : std::get_if<Destination::InDomainAlias>(source);
    return in == nullptr ? "" : in->domain;
}

const Destination::Source* source_of(const Destination& destination) {
    if (const auto* program = destination.as<Destination::Program>()) return &program->source;
    if (const auto* file = destination.as<Destination::File>()) return &file->source;
    return nullptr;
}

std::string instruction_of(const Destination& destination) {
    return std::visit(Overloaded{
                          [](const Destination::Program& program) { return "|" + program.command; },
                          [](const Destination::File& file) { return file.path; },
                          [](const Destination::Instructions& file) { return file.path; },
                          [](const auto&) { return std::string(); },
                      },
                      destination.kind);
}

}  // namespace postoffice
