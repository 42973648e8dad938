// -o and -O. The first is used in two languages: if the text up to '=' or the end is exactly the name of an
// option of postoffice.cf(5) it is that, otherwise the first letter is one of sendmail's short options. What
// neither knows is ignored, because callers set options of the mailer they were written for.
#include <fmt/format.h>

#include "argument_parser.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

/// The values sendmail takes for true; a bare option is true.
bool is_true(std::string_view value) {
    return value.empty() || std::string_view("tTyY1").find(value[0]) != std::string_view::npos;
}

std::optional<bool> yes_or_no(std::string_view value) {
    if (equals_ignoring_case(value, "yes")) return true;
    if (equals_ignoring_case(value, "no")) return false;
    return std::nullopt;
}

}  // namespace

void ArgumentParser::set_option(std::string_view value) {
    const std::string text = clean(value);
    std::string_view rest = text;
    const std::string_view name = read_until(rest, '=');
    if (!name.empty() && is_config_option_(name)) {
        // A bare flag is on.
        line_.settings.emplace_back(name, text.find('=') == std::string::npos ? "1" : std::string(rest));
        return;
    }
    if (text.empty()) return;
    const std::string argument = text.substr(1);
    switch (text[0]) {
        case 'A':
            line_.alias_file = argument.empty() ? clean(next_value("-oA")) : argument;
            break;
        case 'd':
            delivery_mode(argument);
            break;
        case 'e':
            error_mode(argument);
            break;
        case 'i':
            if (is_true(argument)) line_.submission.dot_ends = false;
            break;
        case 'M':
            pretend_client(argument);
            break;
        case 'Q':
            line_.queue_directory = argument.empty() ? clean(next_value("-oQ")) : argument;
            break;
        case 'r':
        case 's':
            if (argument.empty()) (void)clean(next_value("-o" + text));  // a timeout, as in "-or 0s"
            break;
        case 'v':
            if (is_true(argument)) line_.verbose = true;
            break;
        default:
            break;
    }
}

void ArgumentParser::delivery_mode(std::string_view value) {
    switch (value.empty() ? 'b' : value[0]) {
        case 'b':
            line_.submission.queue_only = line_.submission.deliver_now = false;
            break;
        case 'i':
        case 'f':
            line_.submission.deliver_now = true;
            line_.submission.queue_only = false;
            break;
        case 'q':
        case 'd':
            line_.submission.queue_only = true;
            line_.submission.deliver_now = false;
            break;
        default:
            refuse(fmt::format("-od{}: the delivery mode must be one of b d f i q", value));
    }
}

void ArgumentParser::pretend_client(std::string_view what) {
    // Exim's -oMa, -oMs and relatives; each takes the next word.
    const std::string value = clean(next_value(fmt::format("-oM{}", what)));
    if (what == "a") line_.client.address = value;
    if (what == "s") line_.client.name = value;
}

/// "Name=MTA, Addr=127.0.0.1, Port=587, Family=inet": where sendmail's daemon listens.
void ArgumentParser::daemon_port_options(std::string_view value) {
    std::string address, port = "25";
    bool is_v6 = false;
    for (const std::string_view part : split(value, ',')) {
        std::string_view rest = trim(part);
        const std::string key = to_lower(trim(read_until(rest, '=')));
        const std::string text(trim(rest));
        // The first letter is enough for sendmail, too.
        if (key.starts_with('a')) address = text;
        if (key.starts_with('p')) port = text == "smtp" ? "25" : text == "submission" ? "587" : text;
        if (key.starts_with('f')) is_v6 = equals_ignoring_case(text, "inet6");
        if (key.empty() || std::string_view("apfnm").find(key[0]) == std::string_view::npos)
            refuse(fmt::format(
                "-O DaemonPortOptions={}: only Address, Port, Family, Modifiers and Name are known", value));
    }
    if (equals_ignoring_case(address, "localhost")) address = is_v6 ? "::1" : "127.0.0.1";
    if (address == "*" || address == "0.0.0.0" || address == "::") address.clear();
    const bool needs_brackets = address.find(':') != std::string::npos && !address.starts_with('[');
    line_.root_settings.emplace_back("listen", needs_brackets ? fmt::format("[{}]:{}", address, port)
                                                              : fmt::format("{}:{}", address, port));
}

std::int64_t ArgumentParser::time_words(std::string_view name, std::string_view value) {
    const auto time = parse_queue_interval(value);
    if (!time) refuse(fmt::format("-O {}={}: must be a time such as 90s, 2h or 1d", name, value));
    return time->count();
}

/// "2h" or "2h;RT" becomes the value of BY= (RFC 2852 section 4).
std::string ArgumentParser::deliver_by_words(std::string_view value) {
    std::string_view mode = value;
    const std::string_view time = read_until(mode, ';');
    return fmt::format("{};{}", time_words("DeliverBy", time), mode.empty() ? "N" : mode);
}

void ArgumentParser::long_set_option(std::string_view value) {
    const std::string text = clean(value);
    std::string_view rest = text;
    const std::string name = to_lower(trim(read_until(rest, '=')));
    const std::string_view argument = trim(rest);
    if (name == "deliverymode") {
        delivery_mode(argument);
    } else if (name == "errormode") {
        error_mode(argument);
    } else if (name == "ignoredots") {
        if (is_true(argument)) line_.submission.dot_ends = false;
    } else if (name == "verbose") {
        if (is_true(argument)) line_.verbose = true;
    } else if (name == "aliasfile") {
        line_.alias_file = argument;
    } else if (name == "queuedirectory") {
        line_.queue_directory = argument;
    } else if (name == "smtputf8" || name == "requiretls") {
        const auto wanted = yes_or_no(argument);
        if (!wanted) refuse(fmt::format("-O {}: must be yes or no", text));
        if (name == "requiretls") line_.submission.requiretls = *wanted;
        if (name == "smtputf8") line_.submission.smtputf8 = wanted;
    } else if (name == "deliverby") {
        line_.submission.deliver_by = deliver_by_words(argument);
    } else if (name == "holdfor") {
        line_.submission.hold_for = std::to_string(time_words("HoldFor", argument));
    } else if (name == "holduntil") {
        line_.submission.hold_until = argument;
    } else if (name == "priority") {
        line_.submission.priority = argument;
    } else if (name == "daemonportoptions") {
        daemon_port_options(argument);
    } else if (name == "timeout.queuereturn") {
        line_.root_settings.emplace_back("qreturn", argument);
    } else if (name == "maxhopcount") {
        line_.root_settings.emplace_back("hops", argument);
    }
}

}  // namespace postoffice
