#include "postoffice/milter/macros.h"

#include "postoffice/base/clock.h"
#include "postoffice/base/text.h"
#include "postoffice/config/build.h"

namespace postoffice {

void FilterMacros::set(std::string_view name, std::string_view value) {
    values_[std::string(name)] = printable(value);
}

void set_host_macros(FilterMacros& macros, const std::string& hostname) {
    macros.set("j", hostname);
    macros.set("{daemon_name}", hostname);
    macros.set("v", "postoffice " + std::string(version()));
    macros.set("b", rfc5322_date(now_unix()));
}

std::string_view FilterMacros::get(std::string_view name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::string_view() : found->second;
}

}  // namespace postoffice
