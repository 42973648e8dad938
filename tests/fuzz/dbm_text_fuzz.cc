// A line that is read as an entry is, written and read again, the same; what is written is one line.
#include <cstdint>
#include <cstdlib>

#include "../../src/commands/dbm_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace postoffice;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto read = from_dbm_line(input);
    const DbmEntry entry = read ? *read : DbmEntry{std::string(input), std::string(input)};
    const std::string line = to_dbm_line(entry);
    if (line.find('\n') != line.npos) std::abort();
    const auto again = from_dbm_line(line);
    if (line.size() <= longest_dbm_line && (!again || *again != entry)) std::abort();
    return 0;
}
