#include "postoffice/mail/envelope.h"

#include "postoffice/base/text.h"

namespace postoffice {

std::string describe(const Target& target) {
    const std::string at_domain = target.domain.empty() ? "" : "@" + target.domain;
    switch (target.kind) {
        case Target::Kind::mailbox:
            return target.user + at_domain;
        case Target::Kind::remote:
            return target.address.to_string();
        case Target::Kind::discard:
            return "/dev/null";
        case Target::Kind::unrouted:
            return "not known yet";
        case Target::Kind::program:
        case Target::Kind::file:
        case Target::Kind::instructions:
            break;
    }
    return printable(target.instruction) + " of " +
           (target.alias.empty() ? target.user : "alias " + target.alias + at_domain);
}

}  // namespace postoffice
