// A delivery file may hold anything; what comes out is usable or a problem with its line.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "postoffice/routing/delivery_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace postoffice;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const auto dialect : {DeliveryDialect::forward, DeliveryDialect::qmail}) {
        const auto file = parse_delivery_file(text, dialect);
        if (!file) {
            if (file.problem().empty()) std::abort();
            continue;
        }
        for (const Instruction& instruction : file->instructions) {
            if (instruction.line == 0) std::abort();
            if (instruction.kind != Instruction::Kind::deliver) continue;
            if (instruction.target.kind == AliasTarget::Kind::include) std::abort();
            if (instruction.target.kind == AliasTarget::Kind::program && instruction.target.text.empty())
                std::abort();
        }
    }
    return 0;
}
