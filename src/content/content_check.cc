#include "postoffice/content/content_check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <limits>

#include "postoffice/base/error.h"
#include "postoffice/base/utf8.h"
#include "postoffice/queue/message_builder.h"

namespace postoffice {
namespace {

/// Of a file, to its end. Throws std::system_error.
void feed(MessageBuilder& builder, const Fd& file) {
    std::array<char, 65536> block;
    for (;;) {
        const ssize_t n = ::read(file.get(), block.data(), block.size());
        if (n == 0) return;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw_errno("read the message");
        builder.feed({block.data(), static_cast<std::size_t>(n)});
    }
}

}  // namespace

std::optional<Reply> CheckedContent::check(const Config& config, const ScannerHandle& scanner,
                                           const std::string& id) {
    if (auto refusal = scan(config, scanner, id)) return refusal;
    return is_unwanted() ? add_field(config, id) : std::nullopt;
}

/// Does nothing without `av=`.
std::optional<Reply> CheckedContent::scan(const Config& config, const ScannerHandle& scanner,
                                          const std::string& id) {
    if (config.access.av.empty()) return std::nullopt;
    const ScanVerdict verdict =
        scanner.scan(id, message_->open_for_reading(), message_->size(), config.access.av_timeout);
    scanned_ = verdict.summary();
    if (verdict.kind == ScanVerdict::Kind::clean) return std::nullopt;
    if (verdict.kind == ScanVerdict::Kind::undecided)
        return Reply{450, "4.7.1", "The message cannot be checked now; please try again later"};
    return unwanted_.add(config.access.spam, {550, "5.7.1", verdict.text},
                         config.identity.hostname + " does not accept this message: ");
}

void CheckedContent::mark(const Config& config, Envelope& envelope) const {
    if (!scanned_.empty()) add_verdicts(envelope, {fmt::format("av {}: {}", config.access.av, scanned_)});
    if (!is_unwanted()) return;
    envelope.unwanted = unwanted_.why;
    if (!is_ascii(unwanted_.why)) envelope.parameters.body = Body::eight_bit_mime;
    send_to_folder(envelope, unwanted_.folder);
}

/// The message is complete but for the field, so that the builder adds and renames nothing else.
std::optional<Reply> CheckedContent::add_field(const Config& config, const std::string& id) {
    marked_.emplace(config.queue.dir, config.queue.minfree);
    MessageBuilder builder(*marked_,
                           {.hostname = config.identity.hostname,
                            .id = id,
                            .sender = "",
                            .hops = std::numeric_limits<unsigned>::max(),
                            .spam = unwanted_.why},
                           "");
    feed(builder, message_->open_for_reading());
    return builder.finish();
}

}  // namespace postoffice
