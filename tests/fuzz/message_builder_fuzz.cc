// However a message is cut into pieces, what is stored is the same; and it is complete, so that storing it
// once more adds nothing. The first octet chooses the size of the pieces.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "postoffice/base/disk.h"
#include "postoffice/queue/message_builder.h"

namespace {

using namespace postoffice;

std::string stored(std::string_view input, std::size_t step) {
    Message message("/nonexistent");  // small enough to stay in memory
    MessageBuilder builder(message, {"host.test", "ID", "a@b.test", 0, 1000}, "");
    for (std::size_t at = 0; at < input.size(); at += step) builder.feed(input.substr(at, step));
    if (builder.finish()) return "refused";
    return disk::read_all(message.open_for_reading().get(), 1U << 20);
}

/// The Date that was added changes with the clock.
std::string without_date(std::string text) {
    const auto at = text.starts_with("Date: ") ? 0 : text.find("\nDate: ");
    if (at != std::string::npos) text.erase(at, text.find('\n', at + 1) - at);
    return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1 || size > 30'000) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::string whole = stored(input, size);
    if (without_date(stored(input, 1U + data[0] % 7U)) != without_date(whole)) std::abort();
    if (whole != "refused" && stored(whole, 1000) != whole) std::abort();
    return 0;
}
