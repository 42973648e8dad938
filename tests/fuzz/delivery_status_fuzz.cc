// What sendmail reads of a delivery: whatever it is, what people see of it is printable.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "postoffice/base/text.h"
#include "postoffice/queue/delivery_status.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view line(reinterpret_cast<const char*>(data), size);
    const auto event = postoffice::parse_status_line(line);
    if (!event) return 0;
    for (const std::string_view text : {event->text, event->recipient, event->by})
        if (postoffice::printable(text) != text) std::abort();
    if (!event->is_outcome && !(event->recipient.empty() && event->by.empty())) std::abort();
    return 0;
}
