// The options of one letter.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "argument_parser.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t max_log_tag = 32;
constexpr std::size_t max_envelope_id = 100;   // RFC 3461 section 4.4
constexpr std::size_t longest_handover = 255;  // of each part of -p
constexpr std::uint64_t max_queue_interval = 365ULL * 86400;

/// Seconds of one unit; 0 if it is none.
std::uint64_t unit_seconds(char unit) {
    switch (unit) {
        case 's':
            return 1;
        case 'm':
            return 60;
        case 'h':
            return 3600;
        case 'd':
            return 86400;
        case 'w':
            return 7 * 86400;
        default:
            return 0;
    }
}

bool is_upper_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

}  // namespace

const ArgumentParser::ShortOption* ArgumentParser::find_short_option(char letter) {
    using P = ArgumentParser;
    constexpr auto none = Value::none, value = Value::attached_or_next, attached = Value::attached_only;
    static constexpr std::array table{
        ShortOption{'A', value, &P::ignore},          ShortOption{'a', none, &P::audit},
        ShortOption{'B', value, &P::body_type},       ShortOption{'b', value, &P::mode},
        ShortOption{'C', value, &P::config_file},     ShortOption{'c', none, &P::count},
        ShortOption{'D', value, &P::debug_file},      ShortOption{'d', attached, &P::debug},
        ShortOption{'E', attached, &P::ignore},       ShortOption{'e', value, &P::error_mode},
        ShortOption{'F', value, &P::full_name},       ShortOption{'f', value, &P::sender},
        ShortOption{'G', none, &P::gateway},          ShortOption{'h', value, &P::hop_count},
        ShortOption{'I', none, &P::aliases_mode},     ShortOption{'i', none, &P::ignore_dots},
        ShortOption{'J', attached, &P::ignore},       ShortOption{'L', value, &P::log_tag},
        ShortOption{'M', attached, &P::manage},       ShortOption{'m', none, &P::ignore},
        ShortOption{'N', value, &P::notify},          ShortOption{'n', none, &P::only_changed},
        ShortOption{'O', value, &P::long_set_option}, ShortOption{'o', value, &P::set_option},
        ShortOption{'P', none, &P::options_in_force}, ShortOption{'p', value, &P::protocol},
        ShortOption{'Q', attached, &P::quarantine},   ShortOption{'q', attached, &P::queue},
        ShortOption{'R', value, &P::return_what},     ShortOption{'r', value, &P::sender},
        ShortOption{'S', value, &P::queue_sender},    ShortOption{'s', none, &P::ignore},
        ShortOption{'T', value, &P::ignore},          ShortOption{'t', none, &P::from_header},
        ShortOption{'U', none, &P::ignore},           ShortOption{'V', attached, &P::version_or_envelope_id},
        ShortOption{'v', none, &P::verbose},          ShortOption{'X', value, &P::traffic_file},
        ShortOption{'x', none, &P::ignore},           ShortOption{'z', value, &P::unsupported_z},
    };
    const auto found = std::find_if(table.begin(), table.end(),
                                    [letter](const ShortOption& o) { return o.letter == letter; });
    return found == table.end() ? nullptr : &*found;
}

void ArgumentParser::audit(std::string_view) {
    if (!server_name_) refuse("-a is an option of postoffice and smtpd");
    line_.daemon.audit = true;
}

void ArgumentParser::body_type(std::string_view value) {
    const std::string type = to_lower(clean(value));
    if (type != "7bit" && type != "8bitmime") refuse(fmt::format("-B {}: must be 7BIT or 8BITMIME", value));
    line_.submission.eight_bit = type == "8bitmime";
}

void ArgumentParser::mode(std::string_view value) {
    static constexpr std::array<std::pair<std::string_view, Mode>, 16> modes{{
        {"C", Mode::check_config},
        {"D", Mode::daemon},
        {"H", Mode::host_status},
        {"P", Mode::count_queue},
        {"V", Mode::show_version},
        {"d", Mode::daemon},
        {"df", Mode::daemon},
        {"h", Mode::host_status},
        {"i", Mode::rebuild_aliases},
        {"l", Mode::daemon},
        {"m", Mode::submit},
        {"p", Mode::list_queue},
        {"pc", Mode::count_queue},
        {"s", Mode::serve_stdio},
        {"t", Mode::explain},
        {"v", Mode::verify},
    }};
    if (value == "q") {
        one_run_ = true;
        return;
    }
    const auto found =
        std::find_if(modes.begin(), modes.end(), [value](const auto& m) { return m.first == value; });
    if (found == modes.end()) refuse(fmt::format("-b{}: unknown or unsupported mode", printable(value)));
    set_mode(found->second);
    if (value == "D" || value == "df") line_.daemon.foreground = true;
    if (value == "l") line_.daemon.loopback_only = true;
}

void ArgumentParser::config_file(std::string_view value) {
    line_.config_file = clean(value);
}

void ArgumentParser::debug_file(std::string_view value) {
    if (debug_seen_) refuse("-D must come before -d");
    ignore(value);
}

void ArgumentParser::debug(std::string_view value) {
    debug_seen_ = true;
    const std::string spec = clean(value);
    if (spec.empty() && server_name_) line_.daemon.debug = line_.daemon.foreground = true;
    // "0" and "0.4": configure scripts ask for the version so. "0-99.1" traces the inside of sendmail.
    if (spec == "0" || (spec.starts_with("0.") && parse_number(std::string_view(spec).substr(2))))
        line_.version_first = true;
}

void ArgumentParser::error_mode(std::string_view value) {
    switch (value.empty() ? '\0' : value[0]) {
        case 'm':
        case 'e':
        case 'w':
            line_.submission.error_mode = ErrorMode::mail;
            break;
        case 'p':
            line_.submission.error_mode = ErrorMode::print;
            break;
        case 'q':
            line_.submission.error_mode = ErrorMode::quiet;
            break;
        default:
            refuse(fmt::format("-e {}: the error mode must be one of e m p q w", printable(value)));
    }
    line_.submission.error_mode_given = true;
}

void ArgumentParser::full_name(std::string_view value) {
    std::string name(value);
    std::replace_if(
        name.begin(), name.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
    line_.submission.full_name = clean(name);
}

void ArgumentParser::sender(std::string_view value) {
    line_.submission.sender = clean(value);
}

void ArgumentParser::hop_count(std::string_view value) {
    if (!parse_number(value)) refuse(fmt::format("-h {}: must be a number", printable(value)));
}

void ArgumentParser::log_tag(std::string_view value) {
    line_.log_tag = clean(value).substr(0, max_log_tag);
}

void ArgumentParser::manage(std::string_view value) {
    static constexpr std::array<std::pair<std::string_view, QueueAction>, 7> actions{{
        {"", QueueAction::deliver},
        {"rm", QueueAction::remove},
        {"vh", QueueAction::show_header},
        {"vb", QueueAction::show_body},
        {"vl", QueueAction::show_journal},
        {"f", QueueAction::hold},
        {"t", QueueAction::release},
    }};
    const auto found =
        std::find_if(actions.begin(), actions.end(), [value](const auto& a) { return a.first == value; });
    if (found == actions.end()) {
        // What is left is sendmail's -MXvalue, which defines a macro.
        if (value.find_first_of("rvft") == 0) refuse(fmt::format("-M{}: unknown action", printable(value)));
        return ignore(value);
    }
    if (line_.queue.action != QueueAction::none && line_.queue.action != found->second)
        refuse("the options ask for two different actions on the queue");
    line_.queue.action = found->second;
    set_mode(Mode::manage_queue);
}

void ArgumentParser::notify(std::string_view value) {
    const std::string list = to_lower(clean(value));
    if (list != "never") {
        for (const std::string_view part : split(list, ','))
            if (part != "success" && part != "failure" && part != "delay")
                refuse(fmt::format("-N {}: must be never, or a list of success,failure,delay", value));
    }
    line_.submission.dsn_notify = list;
}

void ArgumentParser::options_in_force(std::string_view) {
    if (!server_name_) refuse("-P is an option of postoffice");
    set_mode(Mode::show_options);
}

void ArgumentParser::quarantine(std::string_view value) {
    if (line_.queue.action != QueueAction::none)
        refuse("the options ask for two different actions on the queue");
    quarantine_seen_ = true;
    line_.queue.hold_reason = clean(value);
    line_.queue.action = value.empty() ? QueueAction::release : QueueAction::hold;
}

void ArgumentParser::queue(std::string_view value) {
    if (value == "G") (void)clean(next_value("-qG"));
    queue_words_.push_back(clean(value));
}

void ArgumentParser::return_what(std::string_view value) {
    return_value_ = clean(value);
    const bool words = equals_ignoring_case(value, "full") || equals_ignoring_case(value, "hdrs");
    if (!words && !IpAddress::parse(value)) refuse(fmt::format("-R {}: must be full or hdrs", value));
}

void ArgumentParser::queue_sender(std::string_view value) {
    if (value.empty()) refuse("-S: the text to look for is missing");
    queue_sender_ = true;
    line_.queue.filters.push_back({'S', false, clean(value)});
}

void ArgumentParser::version_or_envelope_id(std::string_view value) {
    const bool last = value.empty() && position_ >= arguments_.size();
    if (!sendmail_name_ || last) {
        set_mode(Mode::show_version);
        return;
    }
    const std::string id = clean(value.empty() ? next_value("-V") : value);
    if (id.empty() || id.size() > max_envelope_id || !is_xtext(id))
        refuse(fmt::format("-V {}: an envelope id is at most {} characters of xtext", id, max_envelope_id));
    line_.submission.envelope_id = id;
}

/// As long as a host name at most, so that a Received field stays one.
void ArgumentParser::protocol(std::string_view value) {
    const std::string text = clean(value);
    std::string_view host = text;
    line_.submission.protocol = read_until(host, ':').substr(0, longest_handover);
    line_.submission.from_host = host.substr(0, longest_handover);
}

void ArgumentParser::traffic_file(std::string_view value) {
    // Postfix's -XV and -XV+= ask for variable envelope return paths.
    if (value == "V" || (value.size() == 3 && value[0] == 'V')) refuse("-XV: VERP is not supported");
    ignore(value);
}

void ArgumentParser::unsupported_z(std::string_view) {
    refuse("-z: not supported");
}

std::optional<Seconds> parse_queue_interval(std::string_view text) {
    std::uint64_t total = 0;
    while (!text.empty()) {
        const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
        const auto number = parse_number(text.substr(0, digits));
        text.remove_prefix(digits);
        const std::uint64_t unit = text.empty() ? 60 : unit_seconds(text[0]);
        if (!text.empty()) text.remove_prefix(1);
        if (!number || unit == 0 || *number > max_queue_interval) return std::nullopt;
        total += *number * unit;
        if (total > max_queue_interval) return std::nullopt;
    }
    if (total == 0) return std::nullopt;
    return Seconds(total);
}

bool is_xtext(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c < '!' || c > '~' || c == '=') return false;
        if (c != '+') continue;
        if (i + 2 >= text.size() || !is_upper_hex(text[i + 1]) || !is_upper_hex(text[i + 2])) return false;
        i += 2;
    }
    return true;
}

}  // namespace postoffice
