#include "failed_submission.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

#include "postoffice/base/clock.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/local/message_copier.h"
#include "postoffice/queue/drop.h"
#include "postoffice/queue/message.h"
#include "postoffice/queue/report.h"
#include "postoffice/queue/spool.h"

namespace postoffice {
namespace {

/// True for what only this process's user controls.
bool is_ours(int fd, mode_t type) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) throw_errno("stat");
    const bool one_name = type == S_IFDIR || status.st_nlink == 1;
    return (status.st_mode & S_IFMT) == type && status.st_uid == ::getuid() && one_name;
}

}  // namespace

std::string mail_error_report(const std::string& drop_directory, const std::string& hostname,
                              const Address& sender, const std::vector<std::string>& reasons, int original) {
    const std::string id = Spool::new_id();
    Message report(drop_directory);
    MultipartReport parts(report, boundary_for(id));
    parts.begin({.id = id,
                 .hostname = hostname,
                 .to = sender,
                 .subject = "Your message could not be sent",
                 .now = now_unix(),
                 .needs_received = false},
                "multipart/mixed", true);
    std::string text = original < 0 ? "A message of yours was not sent:\n\n"
                                    : "Your message, which follows, was not sent to all recipients:\n\n";
    for (const std::string& reason : reasons) text += fmt::format("    {}\n", reason);
    parts.add_text(text);
    if (original >= 0) {
        parts.begin_part("message/rfc822", true);
        report.append_copy_of(original);
    }
    parts.end();
    return write_drop(drop_directory, {Address(), {sender}, {Body::eight_bit_mime}}, report, id);
}

std::optional<std::string> save_dead_letter(const std::string& home, const Address& sender, int message) {
    if (!home.starts_with('/')) return std::nullopt;
    const std::string path = home + "/dead.letter";
    try {
        const Fd folder = disk::open(home, O_RDONLY | O_DIRECTORY);
        if (!is_ours(folder.get(), S_IFDIR)) return std::nullopt;
        const Fd file = disk::open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (!is_ours(file.get(), S_IFREG)) return std::nullopt;
        MessageCopier copier({.from_line = true, .escape_from = true});
        copier.copy_undelivered(sender.to_string(), message, file.get());
        disk::sync(file.get());
        return path;
    } catch (const std::system_error&) {
        return std::nullopt;
    }
}

}  // namespace postoffice
