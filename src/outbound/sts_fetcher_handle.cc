#include "postoffice/outbound/sts_fetcher_handle.h"

#include "postoffice/base/error.h"
#include "postoffice/base/request_socket.h"

namespace postoffice {

Result<std::string> StsFetcherHandle::fetch(const std::string& domain) const {
    if (handle_ < 0) return Problem{"no process fetches policies here"};
    StsFetchRequest request;
    if (!request.domain.assign(domain)) return Problem{"the domain is no name"};
    try {
        const Deadline deadline = Deadline::after(patience);
        SocketPair channel = packet_socket_pair();
        const int theirs[] = {channel.theirs.get()};
        send_request(handle_, std::as_bytes(std::span(&request, 1)), theirs, deadline);
        channel.theirs.reset();
        const auto answer = receive_struct<StsFetchAnswer>(channel.ours.get(), deadline);
        if (!answer) return Problem{"the process that fetches policies gave no answer"};
        std::string text = answer->value.text.str();
        if (answer->value.is_fetched == 0) return Problem{std::move(text)};
        return text;
    } catch (const std::exception& error) {
        return Problem{in_plain_words(error)};
    }
}

}  // namespace postoffice
