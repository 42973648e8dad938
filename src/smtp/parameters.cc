#include "parameters.h"

#include <fmt/format.h>

#include "postoffice/base/idn.h"
#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"

namespace postoffice {

Reply unsupported_parameter(std::string_view keyword) {
    return {555, "5.5.4", fmt::format("Unsupported parameter {}", keyword)};
}

Reply malformed_parameter(std::string_view syntax) {
    return {501, "5.5.4", fmt::format("Malformed parameter: it is {}", syntax)};
}

Reply repeated_parameter(std::string_view keyword) {
    return {501, "5.5.4", fmt::format("{} is given twice", keyword)};
}

bool offers_smtputf8(Dialogue&) {
    return idn_is_available();
}

bool offers_requiretls(Dialogue& dialogue) {
    return dialogue.is_over_tls();
}

std::optional<Reply> check_ascii(std::string_view path_text, std::string_view parameters, bool smtputf8) {
    const auto path = path_text.substr(0, path_text.size() - parameters.size());
    if (smtputf8 || is_ascii(path)) return std::nullopt;
    return Reply{553, "5.6.7", "An address beyond ASCII needs MAIL FROM:<...> SMTPUTF8"};
}

bool is_same_keyword(std::string_view a, std::string_view b) {
    return equals_ignoring_case(a, b);
}

}  // namespace postoffice
