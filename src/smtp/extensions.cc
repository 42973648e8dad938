#include "extensions.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "parameters.h"
#include "verb.h"

namespace postoffice {
namespace {

struct Extension {
    std::string_view keyword;
    bool (*is_offered)(Dialogue&);       ///< null pointer: to all clients
    std::string (*argument)(Dialogue&);  ///< null pointer: none
};

/// 0: no fixed limit (RFC 1870 section 3).
std::string largest_message(Dialogue& dialogue) {
    return std::to_string(dialogue.config().limits.size);
}

/// RFC 9422. What else could be limited is not: messages of one session, and domains of one message.
std::string limits(Dialogue& dialogue) {
    return fmt::format("RCPTMAX={}", dialogue.config().limits.recipients);
}

std::string unwanted_solicitations(Dialogue& dialogue) {
    return dialogue.config().access.no_soliciting;
}

/// RFC 4865 section 3: seconds, and the date that this is now.
std::string longest_hold(Dialogue& dialogue) {
    const auto seconds = dialogue.config().queue.future_release.count();
    return fmt::format("{} {}", seconds, rfc3339_utc(now_unix() + seconds));
}

// Not offered: BINARYMIME, since messages are stored as lines (verb_bdat.cc).
constexpr std::array extensions = {
    Extension{"PIPELINING", nullptr, nullptr},
    Extension{"SIZE", nullptr, largest_message},
    Extension{"8BITMIME", nullptr, nullptr},
    Extension{"NO-SOLICITING", nullptr, unwanted_solicitations},
    Extension{"ENHANCEDSTATUSCODES", nullptr, nullptr},
    Extension{"CHUNKING", nullptr, nullptr},
    Extension{"DSN", offers_dsn, nullptr},
    Extension{"DELIVERBY", offers_dsn, nullptr},  // which it builds on (RFC 2852 section 3)
    Extension{"FUTURERELEASE", offers_future_release, longest_hold},
    Extension{"MT-PRIORITY", nullptr, nullptr},
    Extension{"SMTPUTF8", offers_smtputf8, nullptr},
    Extension{"REQUIRETLS", offers_requiretls, nullptr},
    Extension{"ETRN", offers_etrn, nullptr},
    Extension{"LIMITS", nullptr, limits},
    Extension{"STARTTLS", offers_starttls, nullptr},
    Extension{"AUTH", offers_auth, mechanisms},
    Extension{"AUTH=PLAIN LOGIN", offers_auth, nullptr},  // for clients that are older than RFC 2554
};

}  // namespace

std::string offered_extensions(Dialogue& dialogue) {
    std::string lines;
    for (const Extension& extension : extensions) {
        if (extension.is_offered != nullptr && !extension.is_offered(dialogue)) continue;
        lines.append("\n").append(extension.keyword);
        const std::string argument = extension.argument ? extension.argument(dialogue) : "";
        if (!argument.empty()) lines.append(" ").append(argument);
    }
    return lines;
}

}  // namespace postoffice
