// Command lines and ESMTP parameters: whatever a client sends, views stay inside the line.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "postoffice/smtp/command.h"

namespace {

void must_be_inside(std::string_view part, std::string_view whole) {
    if (!part.empty() &&
        (part.data() < whole.data() || part.data() + part.size() > whole.data() + whole.size()))
        std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view line(reinterpret_cast<const char*>(data), size);
    if (const auto command = postoffice::parse_command(line)) {
        must_be_inside(command->verb, line);
        must_be_inside(command->argument, line);
        (void)postoffice::after_keyword(command->argument, "FROM:");
    }
    if (const auto parameters = postoffice::parse_parameters(line))
        for (const auto& parameter : *parameters) {
            must_be_inside(parameter.keyword, line);
            if (parameter.value) must_be_inside(*parameter.value, line);
        }
    return 0;
}
