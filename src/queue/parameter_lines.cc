#include "parameter_lines.h"

#include <fmt/format.h>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

std::optional<DeliverBy> read_deliver_by(std::string_view value) {
    const auto at = parse_rfc3339_utc(read_until(value, ' '));
    if (!at || (value != "R" && value != "N" && value != "RT" && value != "NT")) return std::nullopt;
    return DeliverBy{*at, value[0] == 'R', value.size() == 2};
}

bool read_scheduling_line(std::string_view key, std::string_view value, Scheduling& scheduling) {
    if (key == "deliver-by" && read_deliver_by(value)) {
        scheduling.deliver_by = read_deliver_by(value);
    } else if (key == "release" && parse_rfc3339_utc(value)) {
        scheduling.release = *parse_rfc3339_utc(value);
    } else if (key == "priority" && parse_priority(value)) {
        scheduling.priority = *parse_priority(value);
    } else {
        return false;
    }
    return true;
}

}  // namespace

std::string parameter_lines(const MailParameters& parameters) {
    std::string text;
    text += fmt::format("body: {}\n", body_text(parameters.body));
    if (parameters.smtputf8) text += "header: UTF-8\n";
    if (parameters.return_part != ReturnPart::unspecified)
        text += fmt::format("return: {}\n", return_part_text(parameters.return_part));
    if (!parameters.envelope_id.empty()) text += fmt::format("envid: {}\n", parameters.envelope_id);
    const Scheduling& scheduling = parameters.scheduling;
    if (const auto& by = scheduling.deliver_by)
        text += fmt::format("deliver-by: {} {}{}\n", rfc3339_utc(by->at), by->returns ? 'R' : 'N',
                            by->is_traced ? "T" : "");
    if (scheduling.release != 0) text += fmt::format("release: {}\n", rfc3339_utc(scheduling.release));
    if (scheduling.priority != 0) text += fmt::format("priority: {}\n", scheduling.priority);
    if (parameters.tls != TlsWish::none)
        text += fmt::format("tls-required: {}\n", tls_wish_text(parameters.tls));
    return text;
}

bool read_parameter_line(std::string_view key, std::string_view value, MailParameters& parameters) {
    if (key == "body" && parse_body(value)) {
        parameters.body = *parse_body(value);
    } else if (key == "header" && value == "UTF-8") {
        parameters.smtputf8 = true;
    } else if (key == "return" && parse_return_part(value)) {
        parameters.return_part = *parse_return_part(value);
    } else if (key == "envid" && is_envelope_id(value)) {
        parameters.envelope_id = value;
    } else if (key == "tls-required" && value == tls_wish_text(TlsWish::required)) {
        parameters.tls = TlsWish::required;
    } else if (key == "tls-required" && value == tls_wish_text(TlsWish::waived)) {
        parameters.tls = TlsWish::waived;
    } else {
        return read_scheduling_line(key, value, parameters.scheduling);
    }
    return true;
}

}  // namespace postoffice
