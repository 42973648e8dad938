#include "failed_submission.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <system_error>

#include "postoffice/base/clock.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/local/message_copier.h"
#include "postoffice/queue/drop.h"
#include "postoffice/queue/message.h"
#include "postoffice/queue/spool.h"

namespace postoffice {
namespace {

/// Calls `take` with the message, a piece at a time.
template <class Handle>
void for_each_piece(int message, const Handle& handle) {
    std::array<char, 65536> buffer;
    off_t offset = 0;
    while (const std::size_t got = disk::read_at(message, buffer, offset)) {
        handle(std::string_view(buffer.data(), got));
        offset += static_cast<off_t>(got);
    }
}

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
    report.append(
        fmt::format("From: Mail Delivery System <MAILER-DAEMON@{0}>\n"
                    "To: <{1}>\n"
                    "Subject: Your message could not be sent\n"
                    "Date: {2}\n"
                    "Message-ID: <{3}@{0}>\n"
                    "Auto-Submitted: auto-replied\n"
                    "MIME-Version: 1.0\n"
                    "Content-Type: multipart/mixed; boundary=\"{3}\"\n\n"
                    "--{3}\n"
                    "Content-Type: text/plain; charset=utf-8\n\n"
                    "{4}\n\n",
                    hostname, sender.to_string(), rfc5322_date(now_unix()), id,
                    original < 0 ? "A message of yours was not sent:"
                                 : "Your message, which follows, was not sent to everybody:"));
    for (const std::string& reason : reasons) report.append(fmt::format("    {}\n", reason));
    if (original >= 0) {
        report.append(
            fmt::format("\n--{}\nContent-Type: message/rfc822\nContent-Disposition: inline\n\n", id));
        for_each_piece(original, [&](std::string_view piece) { report.append(piece); });
    }
    report.append(fmt::format("\n--{}--\n", id));
    return write_drop(drop_directory, {Address(), {sender}, {Body::eight_bit_mime}}, report);
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
