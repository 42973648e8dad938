// Whatever DNS says, a client costs a bounded number of questions, and what is no record never speaks for
// it. The input is the records of one domain, a line each; every name there is has them.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "postoffice/base/text.h"
#include "postoffice/policy/spf.h"

namespace {

using namespace postoffice;

constexpr int most_questions = 300;

struct World {
    std::vector<std::string_view> lines;
    int questions = 0;

    RecordLookup ask(const std::string& name, DnsType type) {
        if (++questions > most_questions) std::abort();
        // The record may ask for names that exist, that do not, and for which DNS fails.
        const std::size_t kind = name.size() % 7;
        if (type != DnsType::txt && kind == 0) return {DnsStatus::temporary, {}, name};
        if (type != DnsType::txt && kind == 1) return {DnsStatus::no_name, {}, name};
        RecordLookup answer{DnsStatus::found, {}, ""};
        for (const auto line : lines) {
            DnsRecord record;
            record.owner = name;
            record.type = type;
            record.address = IpAddress::parse(line).value_or(IpAddress());
            record.target = record.text = line;
            answer.records.push_back(record);
        }
        return answer;
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    World world{split(input, '\n')};
    const SpfClaim claim{*IpAddress::parse(size % 2 ? "192.0.2.1" : "2001:db8::1"),
                         Address("a.b-c", "far.test"), std::string(input.substr(0, 300))};
    const SpfVerdict verdict =
        check_spf([&](const std::string& name, DnsType type) { return world.ask(name, type); }, claim);
    if (verdict.passes_everybody && verdict.result != SpfResult::pass) std::abort();
    if (verdict.result == SpfResult::pass && input.find("v=spf1") == input.npos &&
        to_lower(input).find("v=spf1") == input.npos)
        std::abort();
    for (const char c : verdict.why)
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) std::abort();
    return 0;
}
