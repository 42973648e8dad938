#include "postoffice/daemon/scanner_process.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <sysexits.h>

#include <algorithm>
#include <array>

#include "child_per_request.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/system_calls.h"
#include "postoffice/base/text.h"
#include "postoffice/daemon/service_identity.h"

namespace postoffice {
namespace {

using Kind = ScanVerdict::Kind;

constexpr std::size_t most_scans = 20;
constexpr Seconds patience_with_sender{10};  // it has sent the message already
constexpr std::size_t longest_words = 300;

/// The first line that says something.
std::string first_line(std::string_view output) {
    while (!output.empty())
        if (const auto line = trim(read_until(output, '\n')); !line.empty())
            return printable(line.substr(0, longest_words));
    return "";
}

std::string with_words(std::string text, const std::string& words) {
    return words.empty() ? text : text + ": " + words;
}

void answer(const Config& config, const Fd& channel) {
    const auto message = receive_struct<ScanMessage>(channel.get(), Deadline::after(patience_with_sender));
    if (!message || message->descriptors.size() != 1) return;
    ScanVerdict verdict;
    try {
        const Environment environment = {{"PATH", program_path()}, {"HOME", "/"}, {"SHELL", "/bin/sh"}};
        const ProgramEnd end =
            run_command(config.access.av, "/", environment, message->descriptors.front().get(),
                        Deadline::after(config.access.av_timeout));
        verdict = verdict_of(end, disk::free_space("/tmp") < config.queue.minfree);
    } catch (const std::exception& error) {
        verdict.text = in_plain_words(error);
    }
    ScanAnswer answer{verdict.kind, {}};
    answer.text.assign_cut(verdict.text);
    send_struct(channel.get(), answer);
}

}  // namespace

ScanVerdict verdict_of(const ProgramEnd& end, bool is_out_of_room) {
    constexpr std::array failures = {2, EX_OSERR, EX_IOERR, EX_TEMPFAIL, 111, 126, 127};
    constexpr int killed = 128;  // a shell adds the signal that ended its command
    const std::string words = first_line(end.output);
    if (end.timed_out) return {Kind::undecided, with_words("it took too long and was ended", words)};
    if (WIFSIGNALED(end.status))
        return {Kind::undecided,
                with_words(fmt::format("it was ended by signal {}", WTERMSIG(end.status)), words)};
    const int status = WEXITSTATUS(end.status);
    if (status == 0) return {Kind::clean, words};
    const bool has_failed =
        status > killed || std::find(failures.begin(), failures.end(), status) != failures.end();
    if (has_failed)
        return {Kind::undecided, with_words(fmt::format("it ended with status {}", status), words)};
    if (is_out_of_room) return {Kind::undecided, with_words("there is no room in /tmp", words)};
    return {Kind::unwanted, words.empty() ? fmt::format("status {}", status) : words};
}

int run_scanner(const Config& config, Fd requests, pid_t parent) {
    ignore_sigpipe();
    confine_to(identity_without_rights());
    end_with_parent(parent);
    // Not more: the program may be any.
    CallFilter::of_kernel_calls().enforce();
    const RequestWork<ScanRequest> work{
        .title = "scanning",
        .most_children = most_scans,
        .patience = config.access.av_timeout + patience_with_sender + Seconds(5),
        .answer = [&](const ScanRequest&, const Fd& channel) { answer(config, channel); },
        .not_started =
            [](const ScanRequest& request, const std::string& reason) {
                log_event(request.id.str(), "scan-failed", {{"reason", reason}});
            }};
    return ChildPerRequest<ScanRequest>(work, std::move(requests)).run();
}

}  // namespace postoffice
