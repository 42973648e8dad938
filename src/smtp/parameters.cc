#include "parameters.h"

#include <fmt/format.h>

#include "postoffice/base/text.h"

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

bool is_same_keyword(std::string_view a, std::string_view b) {
    return equals_ignoring_case(a, b);
}

}  // namespace postoffice
