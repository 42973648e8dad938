// A submitted message, fed at once and octet by octet: both must give the same text, which has no
// carriage return, ends with a line end, and shows no blind copies.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "../../src/commands/submit/recipients.h"
#include "../../src/commands/submit/submission.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/text.h"
#include "postoffice/mail/header.h"

namespace {

using namespace postoffice;

/// nullopt: refused.
std::optional<std::string> take(std::string_view input, std::size_t piece, bool dot_ends) {
    Message message("/nonexistent");
    Submission::Settings settings;
    settings.header = {"host.test", "me@host.test", "", false};
    settings.dot_ends = dot_ends;
    try {
        Submission submission(message, settings);
        for (; !input.empty(); input.remove_prefix(std::min(piece, input.size())))
            if (!submission.feed(input.substr(0, piece))) break;
        submission.finish();
        Recipients recipients("host.test");
        recipients.add_header(submission.header());
    } catch (const BadMessage&) {
        return std::nullopt;
    }
    const Fd file = message.open_for_reading();
    return disk::read_all(file.get(), Message::memory_limit);
}

void check(const std::string& text) {
    if (text.find('\r') != std::string::npos) std::abort();
    if (!text.ends_with('\n')) std::abort();
    bool in_header = true;
    for (const std::string_view line : split(text, '\n')) {
        if (line.empty()) in_header = false;
        if (in_header && equals_ignoring_case(field_name(line), "Bcc")) std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1 || size > 10000) return 0;
    const bool dot_ends = (data[0] & 1) != 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto whole = take(input, input.size() + 1, dot_ends);
    const auto pieces = take(input, 1, dot_ends);
    if (whole) check(*whole);
    // What stands behind the dot is not looked at once the message has ended.
    if (whole && whole != pieces) std::abort();
    return 0;
}
