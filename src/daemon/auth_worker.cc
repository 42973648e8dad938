#include "auth_worker.h"

#include <string.h>

#include "postoffice/base/process.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr const char* idle_title = "authenticator idle";

template <class T>
bool send_now(const Worker& worker, const T& value, std::span<const int> descriptors = {}) {
    return send_packet_now(worker.channel.get(), std::as_bytes(std::span(&value, 1)), descriptors) ==
           Sent::yes;
}

/// A password is not left in the memory of this process. False at the end of the channel.
bool receive_question(const Fd& questions, AuthRequest& request) {
    const auto packet = receive_packet(questions.get(), std::as_writable_bytes(std::span(&request, 1)));
    return packet && packet->size == sizeof request && has_own_tag(request);
}

int answer_questions(const Config& config, const AuthenticatorKeys& keys, Seconds patience,
                     const Fd& questions) {
    while (auto handover = receive_struct<AuthChannelHandover>(questions.get())) {
        AuthRequest request;
        if (handover->descriptors.size() != 1 || !receive_question(questions, request)) return 0;
        set_process_title("authenticating " + printable(request.client.str()));
        const bool is_last = asks_pam(config, request);
        AuthDone done;
        done.outcome =
            answer_question(config, request, handover->descriptors.front(), keys, Deadline::after(patience));
        ::explicit_bzero(static_cast<void*>(&request), sizeof request);
        handover->descriptors.clear();
        set_process_title(idle_title);
        send_struct(questions.get(), done);
        if (is_last) return 0;
    }
    return 0;
}

}  // namespace

Worker start_auth_worker(const Config& config, const AuthenticatorKeys& keys, Seconds patience) {
    return start_worker(idle_title, {},
                        [&](Fd questions) { return answer_questions(config, keys, patience, questions); });
}

bool give_question(const Worker& worker, const AuthRequest& request, Fd& channel) {
    const int descriptor = channel.get();
    if (!send_now(worker, AuthChannelHandover{}, std::span(&descriptor, 1))) return false;
    channel.reset();
    return send_now(worker, request);
}

}  // namespace postoffice
