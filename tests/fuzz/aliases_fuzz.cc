// Alias files: every entry has a line of the file, and either a problem or a name and a value that can be
// used.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "postoffice/routing/alias_file.h"

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void check_value(std::string_view value) {
    const auto targets = postoffice::parse_alias_value(value);
    require(targets ? !targets->empty() : !targets.problem().empty());
    if (!targets) return;
    for (const postoffice::AliasTarget& target : *targets) {
        const bool is_address = target.kind == postoffice::AliasTarget::Kind::address ||
                                target.kind == postoffice::AliasTarget::Kind::account;
        require(target.address.is_null() != is_address);
        if (is_address) require(*postoffice::parse_addr_spec(target.address.to_string()) == target.address);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto lines = static_cast<unsigned>(std::count(text.begin(), text.end(), '\n')) + 1;
    unsigned previous = 0;
    for (const postoffice::AliasEntry& entry : postoffice::parse_alias_file(text)) {
        require(entry.line > previous && entry.line <= lines);
        previous = entry.line;
        if (!entry.problem.empty()) continue;
        require(!entry.name.empty() && !entry.value.empty());
        check_value(entry.value);
    }
    check_value(text);
    return 0;
}
