// A server that lies: whatever it says, the client comes to its end, has a result for each recipient, and
// takes the message for delivered only where the server let it send and then said so. The first octet: LMTP,
// and how many recipients.
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/smtp/client/client.h"

namespace {

using namespace postoffice;

/// Says what it was given, to each client, and hears the client out.
class LyingServer {
  public:
    LyingServer() {
        ignore_sigpipe();
        if (::mkdtemp(folder_.data()) == nullptr) std::abort();
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::memcpy(name.sun_path, path().c_str(), path().size());
        listening_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (::bind(listening_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
            ::listen(listening_.get(), 5) != 0)
            std::abort();
        std::thread([this] { serve(); }).detach();
    }
    ~LyingServer() {
        (void)::unlink(path().c_str());
        (void)::rmdir(folder_.c_str());
    }
    std::string path() const { return folder_ + "/socket"; }
    void say(std::string_view part) {
        const std::lock_guard guard(mutex_);
        part_ = part;
    }

  private:
    void serve() {
        for (;;) {
            const Fd client(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!client) return;
            std::string part;
            {
                const std::lock_guard guard(mutex_);
                part = part_;
            }
            transcript(client.get(), part);
        }
    }

    /// A reply for each line, and one for a message; when it knows no more, it closes its side.
    static void transcript(int client, std::string_view part) {
        std::string heard;
        bool in_message = say_next(client, part);
        for (char block[4096];;) {
            // Both may wait for each other, if the client was told to go ahead with something else.
            pollfd waiting{client, POLLIN, 0};
            if (::poll(&waiting, 1, 5) <= 0) return;
            const ssize_t n = ::read(client, block, sizeof block);
            if (n <= 0) return;
            heard.append(block, static_cast<std::size_t>(n));
            for (std::size_t end; (end = heard.find(in_message ? "\r\n.\r\n" : "\n")) != std::string::npos;) {
                heard.erase(0, end + (in_message ? 5 : 1));
                in_message = say_next(client, part);
            }
        }
    }

    /// Up to the first line that is not the last but one of a reply. True for a go-ahead.
    static bool say_next(int client, std::string_view& part) {
        std::size_t size = 0;
        for (bool goes_on = true; goes_on && size < part.size();) {
            const std::string_view line = part.substr(size, part.find('\n', size) - size);
            goes_on = line.size() > 3 && line[3] == '-';
            size = std::min(part.size(), size + line.size() + 1);
        }
        const std::string_view reply = part.substr(0, size);
        (void)!::send(client, reply.data(), reply.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        part.remove_prefix(size);
        if (part.empty()) (void)::shutdown(client, SHUT_WR);
        return reply.starts_with('3');
    }

    std::string folder_ = "/tmp/postoffice-fuzz-XXXXXX";
    Fd listening_;
    std::mutex mutex_;
    std::string part_;
};

/// A line that begins with 3, and after it one that begins with 2: the first digit decides (RFC 5321 section
/// 4.2.1).
bool may_be_delivered(std::string_view part) {
    bool was_let = false;
    for (const auto line : split(part, '\n')) {
        if (was_let && line.starts_with('2')) return true;
        was_let = was_let || line.starts_with('3');
    }
    return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static LyingServer server;
    static const bool is_quiet = (open_log("/dev/null", "fuzz"), true);
    if (size == 0 || !is_quiet) return 0;
    const std::string_view part(reinterpret_cast<const char*>(data) + 1, size - 1);
    server.say(part);
    const Seconds moment(5);
    SmtpClient client({"mx.test", server.path(), (data[0] & 1) != 0}, "me.test",
                      {moment, moment, moment, moment, moment, moment});
    if (client.refusal()) return 0;
    OutgoingEnvelope envelope{{Address("a", "here.test"), {}, {Body::eight_bit_mime}}};
    for (int i = 0; i <= (data[0] >> 1) % 8; ++i)
        envelope.recipients.emplace_back(Address("r" + std::to_string(i), "there.test"));
    const std::string_view text = "Subject: x\n\n.\n\xe4\n..\nend";
    const Fd message = disk::memory_file(text);
    for (int transaction = 0; transaction < 3; ++transaction) {
        const TransactionResult result = client.send(envelope, message.get(), text.size());
        if (result.recipients.size() != envelope.recipients.size()) std::abort();
        for (const DeliveryResult& one : result.recipients)
            if (one.outcome == DeliveryResult::Outcome::delivered && !may_be_delivered(part)) std::abort();
        if (!result.connection_usable || !client.is_alive()) break;
    }
    client.quit();
    return 0;
}
