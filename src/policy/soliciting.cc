#include "postoffice/policy/soliciting.h"

#include <fmt/format.h>

#include "postoffice/base/text.h"

namespace postoffice {

std::optional<Reply> check_solicitation(std::string_view unwanted, std::string_view declared) {
    for (const auto keyword : split(unwanted, ','))
        for (const auto part : split(declared, ','))
            if (!keyword.empty() && equals_ignoring_case(keyword, trim(part)))
                return Reply{550, "5.7.1", fmt::format("mail of the class {} is not wanted here", keyword)};
    return std::nullopt;
}

}  // namespace postoffice
