// Addresses from outside: whatever parses must be written in a form that parses to the same address again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "postoffice/mail/address.h"

namespace {

using postoffice::Address;

void require(bool condition) {
    if (!condition) std::abort();
}

void check_round_trip(const Address& address) {
    const std::string text = address.to_string();
    require(text.find_first_of("\r\n") == std::string::npos && text.find('\0') == std::string::npos);
    require(text.size() + 2 <= postoffice::max_path);

    const std::string argument = "<" + text + "> SIZE=1";
    const auto path = postoffice::parse_path(argument, {true, true, false});
    require(path && path->address == address && path->parameters == "SIZE=1");
    const auto mailbox = postoffice::parse_mailbox("Some Name <" + text + ">");
    require(mailbox && *mailbox == address);
    if (address.is_null()) return;
    const auto plain = postoffice::parse_addr_spec(text);
    require(plain && *plain == address);
    const auto list = postoffice::parse_address_list(text + ", " + text);
    require(list && list->size() == 2 && list->front() == address && list->back() == address);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const bool lenient : {false, true})
        if (const auto path = postoffice::parse_path(text, {true, true, lenient}))
            check_round_trip(path->address);
    if (const auto mailbox = postoffice::parse_mailbox(text)) check_round_trip(*mailbox);
    if (const auto plain = postoffice::parse_addr_spec(text)) check_round_trip(*plain);
    if (const auto list = postoffice::parse_address_list(text))
        for (const Address& address : *list) check_round_trip(address);
    return 0;
}
