#include "postoffice/local/forwarding.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/local/program.h"
#include "postoffice/mail/header.h"

namespace postoffice {
namespace {

constexpr std::size_t most_header = 256 * 1024;

}  // namespace

Fd copy_of_message(const std::string& prefix, int message) {
    Fd copy(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!copy) copy = Fd(::memfd_create("message", MFD_CLOEXEC));
    if (!copy) throw_errno("a place for the message");
    disk::write_all(copy.get(), prefix);
    disk::copy_all(message, copy.get());
    return copy;
}

bool was_delivered_to(int message, const std::string& recipient) {
    std::vector<char> buffer(most_header);
    const std::string_view text(buffer.data(), disk::read_at(message, buffer, 0));
    return has_field(text, "Delivered-To", recipient);
}

DeliveryResult forward_message(const ForwardedBy& by, const std::vector<Address>& to, int message,
                               const Deadline& deadline) {
    if (was_delivered_to(message, by.recipient)) return failed("5.4.6", "Mail loop: it has been here before");
    const Fd copy = copy_of_message("Delivered-To: " + by.recipient + "\n", message);
    std::vector<std::string> arguments{"sendmail", "-oi", "-G", "-f", by.sender.empty() ? "<>" : by.sender};
    // One that was asked for only: with -C, sendmail gives up the rights on the host's own spool.
    if (by.config.file_was_asked_for) arguments.insert(arguments.end(), {"-C", by.config.file});
    arguments.emplace_back("--");
    for (const Address& address : to) arguments.push_back(address.to_string());
    const Environment environment{{"PATH", program_path()},
                                  {"HOME", by.account.home},
                                  {"USER", by.account.name},
                                  {"LOGNAME", by.account.name}};
    const ProgramEnd end = run_program({"/proc/self/exe", arguments, "/", environment}, copy.get(), deadline);
    DeliveryResult result = result_of(end);
    const int code = !end.timed_out && WIFEXITED(end.status) ? WEXITSTATUS(end.status) : EX_TEMPFAIL;
    const bool is_about_the_mail = code == EX_DATAERR || code == EX_NOUSER || code == EX_NOHOST;
    if (result.outcome == DeliveryResult::Outcome::failed && !is_about_the_mail)
        return deferred("4.3.5", result.reply.text);  // something is wrong with this host
    if (result.outcome == DeliveryResult::Outcome::delivered) result.reply.text = "Forwarded";
    return result;
}

}  // namespace postoffice
