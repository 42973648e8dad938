#include "status_reader.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

using Outcome = DeliveryResult::Outcome;

constexpr std::size_t longest_rest = 65536;  // far more than a line of ours

int severity(Outcome outcome) {
    switch (outcome) {
        case Outcome::delivered:
            return 0;
        case Outcome::deferred:
            return 1;
        case Outcome::failed:
            break;
    }
    return 2;
}

std::string_view words_for(Outcome outcome) {
    switch (outcome) {
        case Outcome::delivered:
            return "delivered";
        case Outcome::deferred:
            return "deferred, waits in the queue";
        case Outcome::failed:
            break;
    }
    return "failed";
}

std::string_view without_domain(std::string_view address) {
    return address.substr(0, address.rfind('@'));
}

// RFC 3463 section 3.2. `reply`: "550 5.1.1 No such user"; empty: only the server knows it.
int exit_code_for(std::string_view reply) {
    (void)read_until(reply, ' ');
    const std::string_view status = read_until(reply, ' ');
    if (status == "5.1.2" || status == "5.1.10" || status == "5.4.4") return 68;
    return status.starts_with("5.1.") ? 67 : 69;
}

}  // namespace

StatusReader::StatusReader(Fd fifo, const std::vector<Address>& recipients, const std::string& hostname)
    : fifo_(std::move(fifo)) {
    for (const Address& address : recipients) {
        const std::string text = printable(address.to_string());
        if (!places_.emplace(text, states_.size()).second) continue;
        if (address.domain() == hostname) places_.emplace(without_domain(text), states_.size());
        states_.push_back({text});
    }
}

void StatusReader::wait(const Deadline& deadline, const std::function<void(const std::string&)>& on_line) {
    while (!has_ended_) {
        pollfd entry{fifo_.get(), POLLIN, 0};
        const int n = ::poll(&entry, 1, deadline.poll_timeout());
        if (n < 0 && errno != EINTR) return;
        if (n > 0) has_ended_ = !read_lines(on_line);
        if (deadline.passed()) return;
    }
}

// False at the end.
bool StatusReader::read_lines(const std::function<void(const std::string&)>& on_line) {
    char block[4096];
    const ssize_t n = ::read(fifo_.get(), block, sizeof block);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    rest_.append(block, static_cast<std::size_t>(n));
    std::string_view lines = rest_;
    while (lines.find('\n') != std::string_view::npos) {
        const auto event = parse_status_line(read_until(lines, '\n'));
        if (!event) continue;
        if (event->is_outcome)
            handle(*event);
        else
            on_line(event->text);
    }
    rest_ = lines.size() > longest_rest ? "" : std::string(lines);
    return true;
}

void StatusReader::handle(const StatusLine& event) {
    auto place = places_.find(event.recipient);
    if (place == places_.end()) place = places_.find(without_domain(event.recipient));
    if (place == places_.end()) return;
    State& state = states_[place->second];
    if (!state.is_known || severity(event.outcome) > severity(state.last.outcome)) state.last = event;
    state.is_known = true;
}

std::string StatusReader::text_of(const State& state) const {
    if (!state.is_known)
        return fmt::format("{}: {}", state.recipient, has_ended_ ? "queued" : "still being delivered");
    std::string text = fmt::format("{}: {}", state.recipient, words_for(state.last.outcome));
    if (!state.last.text.empty()) text += ": " + state.last.text;
    if (!state.last.by.empty()) text += fmt::format(" ({})", state.last.by);
    return text;
}

std::vector<std::string> StatusReader::summary() const {
    std::vector<std::string> lines;
    for (const State& state : states_) lines.push_back(text_of(state));
    return lines;
}

std::vector<std::string> StatusReader::failures() const {
    std::vector<std::string> lines;
    for (const State& state : states_)
        if (state.is_known && state.last.outcome == Outcome::failed) lines.push_back(text_of(state));
    return lines;
}

int StatusReader::exit_code() const {
    int exit_code = 0;
    for (const State& state : states_) {
        if (!state.is_known || state.last.outcome != Outcome::failed) continue;
        const int own = exit_code_for(state.last.text);
        exit_code = exit_code == 0 ? own : std::min(exit_code, own);
    }
    return exit_code;
}

}  // namespace postoffice
