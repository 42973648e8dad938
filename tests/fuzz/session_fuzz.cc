// A whole dialogue: whatever a client says, the session ends, and what it accepts is a message with
// recipients that this client may write to.
#include <fcntl.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "../support/session_host.h"
#include "postoffice/base/log.h"

namespace {

using namespace postoffice;

bool may_be_accepted(const testing_support::Accepted& accepted, bool is_stranger) {
    if (accepted.envelope.recipients.empty() || accepted.text.find('\r') != std::string::npos) return false;
    if (!is_stranger) return true;
    for (const auto& recipient : accepted.envelope.recipients)  // far.example only by way of an alias
        if (!recipient.original.domain().ends_with("example") || recipient.original.domain() == "far.example")
            return false;
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto host = [] {
        open_log("/dev/null", "fuzz");
        auto made = std::make_unique<testing_support::SessionHost>();
        made->config.limits.size = 100'000;
        return made;
    }();
    for (const bool is_stranger : {false, true}) {
        const std::string_view input(reinterpret_cast<const char*>(data), size);
        Connection connection(disk::memory_file(input), disk::open("/dev/null", O_WRONLY));
        SessionState state;
        state.phase = SessionState::Phase::greeted;  // all input is there at once: too early for a greeting
        if (is_stranger) state.client_address.assign_cut("192.0.2.7");
        Session session(host->services(), connection, state, Milliseconds(0));
        if (session.serve() == SessionEnd::parked) std::abort();
        while (const auto accepted = host->acceptor.take())
            if (!may_be_accepted(*accepted, is_stranger)) std::abort();
    }
    return 0;
}
