#include "postoffice/local/message_copier.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/mail/header.h"

namespace postoffice {
namespace {

// Most messages fit: they take one read and one write.
constexpr std::size_t input_size = 65536;
constexpr std::size_t output_limit = 131072;
// A line is judged by its beginning; more than this is never held back for the rest of a line.
constexpr std::size_t enough_of_a_line = 4096;

std::uint64_t size_of_message(int message) {
    struct stat status {};
    if (::fstat(message, &status) != 0) throw_errno("stat message");
    if (!S_ISREG(status.st_mode)) throw FormatError("the message handed over is not a file");
    return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

// Where the copy is within the message.
struct MessageCopier::Reading {
    bool in_header = true;
    bool at_line_start = true;
    bool leaving_out = false;  // within a Return-Path field
    char last = '\n';
};

MessageCopier::MessageCopier(Form form) : form_(form), input_(input_size) {
    output_.reserve(output_limit + input_size);
}

std::uint64_t MessageCopier::copy(std::string_view prefix, const DeliveryStamp& stamp, int message, int to) {
    output_ = prefix;
    put_from_line(stamp.sender);
    output_.append("Return-Path: <").append(stamp.sender).append(">\n");
    output_.append("Delivered-To: ").append(stamp.recipient).append("\n");
    return copy_lines(message, to);
}

std::uint64_t MessageCopier::copy_undelivered(const std::string& sender, int message, int to) {
    output_.clear();
    put_from_line(sender);
    return copy_lines(message, to);
}

void MessageCopier::put_from_line(const std::string& sender) {
    if (!form_.from_line) return;
    const UnixTime now = now_unix();
    if (now != stamp_second_) stamp_date_ = mailbox_date(stamp_second_ = now);
    output_ += mbox_from_line(sender, stamp_date_);
}

/// Writes what output_ holds, and the message behind it.
std::uint64_t MessageCopier::copy_lines(int message, int to) {
    const std::uint64_t size = size_of_message(message);
    written_ = 0;
    Reading reading;
    std::size_t held = 0;  // octets at the start of the buffer that wait for the rest of their line
    for (std::uint64_t done = 0; done < size;) {
        const auto want =
            static_cast<std::size_t>(std::min<std::uint64_t>(size - done, input_.size() - held));
        const std::span<char> room(input_.data() + held, want);
        if (disk::read_at(message, room, static_cast<off_t>(done)) != want)
            throw FormatError("the message became shorter while it was delivered");
        done += want;
        std::string_view text(input_.data(), held + want);
        while (!text.empty()) {
            const auto end = text.find('\n');
            if (end == text.npos && done < size && text.size() < enough_of_a_line) break;
            const std::string_view piece = text.substr(0, end == text.npos ? end : end + 1);
            put_line(reading, piece);
            text.remove_prefix(piece.size());
        }
        std::memmove(input_.data(), text.data(), text.size());
        held = text.size();
        if (output_.size() > output_limit) flush(to);
    }
    if (reading.last != '\n') output_ += '\n';
    if (form_.from_line) output_ += '\n';
    flush(to);
    return written_;
}

void MessageCopier::put_line(Reading& reading, std::string_view piece) {
    const bool whole_line_start = std::exchange(reading.at_line_start, piece.back() == '\n');
    if (whole_line_start && reading.in_header) {
        if (!is_continuation(piece))
            reading.leaving_out = equals_ignoring_case(field_name(piece), "Return-Path");
        if (piece == "\n") reading.in_header = false;
    }
    if (reading.leaving_out) return;
    if (whole_line_start && form_.escape_from)
        append_mbox_line(output_, piece, reading.in_header);
    else
        output_.append(piece);
    reading.last = piece.back();
}

void MessageCopier::flush(int to) {
    disk::write_all(to, output_);
    written_ += output_.size();
    output_.clear();
}

}  // namespace postoffice
