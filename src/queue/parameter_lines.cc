#include "parameter_lines.h"

#include <fmt/format.h>

namespace postoffice {

std::string parameter_lines(const MailParameters& parameters) {
    std::string text;
    text += fmt::format("body: {}\n", body_text(parameters.body));
    if (parameters.smtputf8) text += "header: UTF-8\n";
    if (parameters.return_part != ReturnPart::unspecified)
        text += fmt::format("return: {}\n", return_part_text(parameters.return_part));
    if (!parameters.envelope_id.empty()) text += fmt::format("envid: {}\n", parameters.envelope_id);
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
    } else {
        return false;
    }
    return true;
}

}  // namespace postoffice
