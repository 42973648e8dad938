#include "submission.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "postoffice/base/utf8.h"
#include "postoffice/mail/header.h"

namespace postoffice {
namespace {

constexpr std::size_t npos = std::string_view::npos;

}  // namespace

Submission::Submission(Message& message, Settings settings)
    : message_(message), settings_(std::move(settings)) {}

bool Submission::feed(std::string_view bytes) {
    if (ended_) return false;
    if (bytes.find('\r') != npos) {
        // CRLF becomes LF; a carriage return elsewhere means nothing in mail and is dropped.
        without_cr_.clear();
        std::copy_if(bytes.begin(), bytes.end(), std::back_inserter(without_cr_),
                     [](char c) { return c != '\r'; });
        bytes = without_cr_;
    }
    if (settings_.dot_ends && !bytes.empty()) ended_ = ends_with_dot(bytes);
    add(bytes);
    return !ended_;
}

/// Cuts `text` before a line of one dot. A dot at the end that could become one is held back until more is
/// known.
bool Submission::ends_with_dot(std::string_view& text) {
    if (held_dot_) {
        held_dot_ = false;
        if (text[0] == '\n') {
            text = {};
            return true;
        }
        add(".");
    }
    if (at_line_start_ && text.starts_with(".\n")) {
        text = {};
        return true;
    }
    if (const std::size_t dot = text.find("\n.\n"); dot != npos) {
        text = text.substr(0, dot + 1);
        return true;
    }
    if (text.ends_with("\n.") || (at_line_start_ && text == ".")) {
        text.remove_suffix(1);
        held_dot_ = true;
    }
    return false;
}

void Submission::add(std::string_view text) {
    if (text.empty()) return;
    octets_ += text.size();
    if (settings_.size > 0 && octets_ > settings_.size)
        throw BadMessage(fmt::format("the message is larger than {} octets", settings_.size));
    at_line_start_ = text.back() == '\n';
    if (in_body_) return store(text);
    header_ += text;
    scan_header();
    if (in_body_ || header_.size() <= longest_header) return;
    if (settings_.names_recipients)
        throw BadMessage(fmt::format("the header is larger than {} octets", longest_header));
    end_header(scanned_);  // output of a program that looks like a header
}

void Submission::finish() {
    // A dot still held back is a last line of one dot: it ends the message like one with a newline.
    held_dot_ = false;
    if (!at_line_start_) add("\n");
    if (!in_body_) end_header(scanned_);
}

Submission::LineKind Submission::classify(std::string_view line, bool is_whole) const {
    if (is_whole && line.empty()) return LineKind::blank;
    if (scanned_ == 0 && !from_line_seen_ && is_mbox_from_line(line)) return LineKind::from_line;
    if (scanned_ > 0 && is_continuation(line)) return LineKind::field;
    if (!field_name(line).empty()) return LineKind::field;
    return is_whole || line.size() >= longest_field_name ? LineKind::text : LineKind::undecided;
}

/// Looks at the lines that came since; the first that belongs to no field ends the header.
void Submission::scan_header() {
    while (scanned_ < header_.size()) {
        const std::string_view rest = std::string_view(header_).substr(scanned_);
        const std::size_t newline = rest.find('\n', searched_ - scanned_);
        const bool is_whole = newline != npos;
        searched_ = is_whole ? scanned_ + newline + 1 : header_.size();
        switch (classify(rest.substr(0, newline), is_whole)) {
            case LineKind::blank:
                return end_header(scanned_ + 1);
            case LineKind::text:
                return end_header(scanned_);
            case LineKind::undecided:
                return;
            case LineKind::field:
                if (!is_whole) return;
                scanned_ += newline + 1;
                break;
            case LineKind::from_line:
                // What a mailbox has in front of each message is not part of it.
                if (!is_whole) return;
                header_.erase(0, newline + 1);
                searched_ = 0;
                from_line_seen_ = true;
                break;
        }
    }
}

void Submission::end_header(std::size_t body_at) {
    in_body_ = true;
    completed_ = complete_header(std::string_view(header_).substr(0, scanned_), settings_.header);
    if (completed_.received > settings_.hops)
        throw BadMessage(
            fmt::format("the message went through more than {} hosts: a mail loop", settings_.hops));
    utf8_header_ = !is_ascii(completed_.text) && is_utf8(completed_.text);
    store(completed_.text);
    store(std::string_view(header_).substr(body_at));
    std::string().swap(header_);
    scanned_ = 0;
}

void Submission::store(std::string_view text) {
    if (text.empty()) return;
    eight_bit_ = eight_bit_ || !is_ascii(text);
    message_.append(text);
}

ReadError::ReadError(int number)
    : std::runtime_error(fmt::format("cannot read the message: {}", std::strerror(number))), error(number) {}

void read_submission(int input, Submission& submission) {
    std::array<char, 65536> buffer;
    for (;;) {
        const ssize_t got = ::read(input, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw ReadError(errno);
        if (got == 0 || !submission.feed({buffer.data(), static_cast<std::size_t>(got)})) break;
    }
    submission.finish();
}

}  // namespace postoffice
