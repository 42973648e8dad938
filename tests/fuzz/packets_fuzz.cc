// What a captured process could send to those that have more rights: spawner, authenticator, mailbox agent.
// None of them ends by it, and each still answers what is asked well. The first octet says which, the second
// what descriptors come along; the rest is one packet.
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/process.h"
#include "postoffice/base/request_socket.h"
#include "postoffice/daemon/authenticator.h"
#include "postoffice/daemon/spawner.h"
#include "postoffice/local/agent_protocol.h"
#include "postoffice/local/local_agent.h"

namespace {

using namespace postoffice;

/// The helpers, each a child that knows no other account than its own.
class Helpers {
  public:
    Helpers() {
        ignore_sigpipe();
        open_log("/dev/null", "fuzz");
        if (::mkdtemp(folder_.data()) == nullptr) std::abort();
        config_.local.mail_dir = config_.vhost.dir = folder_;
        config_.remote.agents = 4;
        if (::geteuid() == 0 && ::chown(folder_.c_str(), nobody, nobody) != 0) std::abort();
        spawner_ = start([this] { return run_spawner(config_, std::move(requests_.reader), tickets_); });
        authenticator_ = start([this] {
            return run_authenticator(config_, std::move(logins_.reader), {passes_, tickets_});
        });
        agent_ = start([this] {
            const passwd* self = ::getpwuid(::getuid());
            const Account account{self->pw_name, ::getuid(), ::getgid(), "/nonexistent", "", ""};
            return run_local_agent(config_, duty_of_account(config_, account, {}), std::move(control_.theirs),
                                   Seconds(600));
        });
    }
    ~Helpers() {
        look();
        for (const pid_t pid : {spawner_, authenticator_, agent_}) {
            (void)::kill(pid, SIGKILL);
            (void)::waitpid(pid, nullptr, 0);
        }
        std::filesystem::remove_all(folder_);
    }

    void send(unsigned to, unsigned with, std::span<const std::byte> packet) {
        look();
        const SocketPair channel = packet_socket_pair();
        const Fd file = disk::memory_file("Subject: x\n\n");
        const Fd null = disk::open("/dev/null", O_RDWR);
        std::vector<int> descriptors;
        for (const int one : {channel.theirs.get(), file.get(), null.get()}) {
            if ((with & 1) != 0) descriptors.push_back(one);
            with >>= 1;
        }
        try {
            if (to == 0) send_request(requests_.handle.get(), packet, descriptors, patience());
            if (to == 1) send_request(logins_.handle.get(), packet, descriptors, patience());
            if (to == 2) {
                const int theirs = channel.theirs.get();
                send_struct(control_.ours.get(), ChannelHandover(), std::span(&theirs, 1));
                send_packet(channel.ours.get(), packet, descriptors);
            }
        } catch (const Timeout&) {
            std::abort();  // it does not read any more
        } catch (const std::exception&) {
            // Too long for a packet, or the agent has hung up.
        }
    }

  private:
    static constexpr uid_t nobody = 65534;

    static Deadline patience() { return Deadline::after(Milliseconds(60'000)); }

    static pid_t start(const std::function<int()>& body) {
        return spawn_process("fuzz", [&] {
            if (::geteuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) return 1;
            return body();
        });
    }

    void look() const {
        for (const pid_t pid : {spawner_, authenticator_, agent_}) {
            int status = 0;
            const pid_t ended = ::waitpid(pid, &status, WNOHANG);
            if (ended == pid) std::abort();
        }
    }

    std::string folder_ = "/tmp/postoffice-fuzz-XXXXXX";
    Config config_;
    RequestSocket requests_ = make_request_socket(), logins_ = make_request_socket();
    SocketPair control_ = packet_socket_pair();
    PassKey passes_;
    TicketKey tickets_;
    pid_t spawner_ = 0, authenticator_ = 0, agent_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Helpers helpers;
    if (size < 2) return 0;
    helpers.send(data[0] % 3, data[1] % 8, std::as_bytes(std::span(data + 2, size - 2)));
    return 0;
}
