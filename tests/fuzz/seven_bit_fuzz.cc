// Conversion to seven bits: cut anywhere (the first octet says how) a message leads to the same result; the
// result has no octet above 127, and nothing of it is converted again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "postoffice/base/utf8.h"
#include "postoffice/mail/seven_bit.h"

namespace {

using namespace postoffice;

template <class Reader>
void in_pieces(std::string_view message, std::size_t piece, const Reader& read) {
    for (; !message.empty(); message.remove_prefix(std::min(piece, message.size())))
        read(message.substr(0, piece));
}

SevenBitPlan plan_of(std::string_view message, std::size_t piece) {
    SevenBitPlanner planner;
    in_pieces(message, piece, [&](std::string_view octets) { planner.read(octets); });
    return planner.finish();
}

std::string converted(std::string_view message, const SevenBitPlan& plan, std::size_t piece) {
    SevenBitConverter converter(plan);
    std::string out;
    in_pieces(message, piece, [&](std::string_view octets) { converter.convert(octets, out); });
    converter.finish(out);
    return out;
}

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t piece = 1 + data[0];
    const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
    const SevenBitPlan plan = plan_of(message, message.size() + 1);
    require(plan_of(message, piece).obstacle == plan.obstacle);
    if (!plan.is_possible()) return 0;
    const std::string result = converted(message, plan, message.size() + 1);
    require(converted(message, plan, piece) == result);
    require(is_ascii(result));
    const SevenBitPlan again = plan_of(result, result.size() + 1);
    require(again.is_possible());
    require(converted(result, again, result.size() + 1) == result);
    return 0;
}
