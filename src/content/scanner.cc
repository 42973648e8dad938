#include "postoffice/content/scanner.h"

#include <fmt/format.h>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/request_socket.h"

namespace postoffice {

std::string ScanVerdict::summary() const {
    const std::string_view word = kind == Kind::clean      ? "clean"
                                  : kind == Kind::unwanted ? "unwanted"
                                                           : "undecided";
    return fmt::format("{}, {} ms", word, took.count());
}

ScanVerdict ScannerHandle::scan(const std::string& id, const Fd& message, std::uint64_t size,
                                Seconds patience) const {
    constexpr Seconds patience_with_queue{30};
    const Stopwatch watch;
    ScanVerdict verdict = ask(id, message, size, Deadline::after(patience + patience_with_queue));
    verdict.took = watch.time();
    const std::string took = std::to_string(verdict.took.count()) + "ms";
    const bool is_clean = verdict.kind == ScanVerdict::Kind::clean;
    if (verdict.kind == ScanVerdict::Kind::undecided)
        log_event(id, "scan-failed", {{"reason", verdict.text}, {"took", took}});
    else
        log_event(id, "scanned",
                  {{"result", is_clean ? "clean" : "unwanted"},
                   {"reason", is_clean ? "" : verdict.text},
                   {"took", took}});
    return verdict;
}

ScanVerdict ScannerHandle::ask(const std::string& id, const Fd& message, std::uint64_t size,
                               Deadline deadline) const {
    if (handle_ < 0) return {ScanVerdict::Kind::undecided, "no process runs the program of av= here"};
    ScanRequest request;
    request.id.assign_cut(id);
    try {
        SocketPair channel = packet_socket_pair();
        const int theirs[] = {channel.theirs.get()};
        const int text[] = {message.get()};
        send_struct(channel.ours.get(), ScanMessage{size}, text);
        send_request(handle_, std::as_bytes(std::span(&request, 1)), theirs, deadline);
        channel.theirs.reset();
        const auto answer = receive_struct<ScanAnswer>(channel.ours.get(), deadline);
        if (!answer) return {ScanVerdict::Kind::undecided, "the scanner gave no answer"};
        return {answer->value.kind, answer->value.text.str()};
    } catch (const std::exception& error) {
        return {ScanVerdict::Kind::undecided, in_plain_words(error)};
    }
}

}  // namespace postoffice
