#include "postoffice/daemon/key_keeper.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <map>

#include "postoffice/base/disk.h"
#include "postoffice/base/epoll.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/process.h"
#include "postoffice/base/system_calls.h"
#include "postoffice/net/private_key.h"
#include "postoffice/net/tls.h"

namespace postoffice {
namespace {

constexpr std::size_t longest_complaint = 4096;

bool is_pipe(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

void never_wait(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) throw_errno("fcntl");
}

class KeyKeeper {
  public:
    KeyKeeper(PrivateKey key, Fd offers) : key_(std::move(key)), offers_(std::move(offers)) {
        poll_.add(signals_.fd());
        poll_.add(offers_.get());
    }

    int run() {
        for (;;) {
            for (const int fd : poll_.wait(-1)) {
                if (fd == signals_.fd()) return 0;
                if (fd == offers_.get())
                    receive_offer();
                else
                    answer(fd);
            }
        }
    }

  private:
    void receive_offer() {
        auto offer = receive_struct_now<KeyChannelOffer>(offers_.get());
        if (offer.kind != PacketArrival::Kind::packet || offer.descriptors.size() != 2) return;
        Fd questions = std::move(offer.descriptors[0]), answers = std::move(offer.descriptors[1]);
        if (!is_pipe(questions.get()) || !is_pipe(answers.get())) return;
        never_wait(questions.get());
        never_wait(answers.get());
        poll_.add(questions.get());
        const int number = questions.get();
        channels_[number] = {std::move(questions), std::move(answers)};
    }

    /// One question; the next one of this session has its turn after those of the others. A session that asks
    /// for nonsense, or does not read its answers, is not listened to any more.
    void answer(int fd) {
        const auto channel = channels_.find(fd);
        if (channel == channels_.end()) return;
        SignatureQuestion question;
        const ssize_t got = ::read(fd, &question, sizeof question);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        const SignatureAnswer made = got == sizeof question ? key_.sign(question) : SignatureAnswer();
        if (made.size == 0 || ::write(channel->second.answers.get(), &made, sizeof made) != sizeof made)
            channels_.erase(channel);
    }

    struct Channel {
        Fd questions;
        Fd answers;
    };

    const PrivateKey key_;
    Fd offers_;
    Epoll poll_;
    SignalSource signals_{SIGTERM, SIGINT};
    std::map<int, Channel> channels_;  ///< by the number of `questions`
};

}  // namespace

KeyChannelEnds KeyKeeperHandle::open_channel() const {
    if (offers_ < 0) return {};
    Pipe questions = make_pipe(), answers = make_pipe();
    const KeyChannelOffer offer;
    const int theirs[] = {questions.read_end.get(), answers.write_end.get()};
    if (send_packet_now(offers_, std::as_bytes(std::span(&offer, 1)), theirs) != Sent::yes)
        throw_errno(EAGAIN, "the key keeper is busy");
    return {std::move(questions.write_end), std::move(answers.read_end)};
}

Fd copy_of_key_file(const std::string& path) {
    const Fd file = disk::open(path, O_RDONLY | O_NONBLOCK);
    Fd copy(::memfd_create("key", MFD_CLOEXEC));
    if (!copy) throw_errno("memfd_create");
    for (;;) {
        const ssize_t n = ::sendfile(copy.get(), file.get(), nullptr, 1 << 20);
        if (n < 0 && errno != EINTR) throw_errno("read " + path);
        if (n == 0) return copy;
    }
}

void check_key_pair(const std::string& certificate_file, const std::string& key_file) {
    Pipe said = make_pipe();
    const pid_t child = spawn_process("looking at the certificate", [&] {
        try {
            const TlsServer server(certificate_file, key_file);
        } catch (const FormatError& error) {
            const std::string text = std::string(error.what()).substr(0, longest_complaint);
            (void)!::write(said.write_end.get(), text.data(), text.size());
            return 1;
        }
        return 0;
    });
    said.write_end.reset();
    const std::string complaint = disk::read_all(said.read_end.get(), longest_complaint);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0)
        if (errno != EINTR) throw_errno("wait for a check");
    if (!complaint.empty()) throw FormatError(complaint);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        throw FormatError(certificate_file + ": the certificate could not be looked at");
}

int run_key_keeper(Fd key_file, Fd offers, const std::function<void()>& confine) {
    ignore_sigpipe();
    if (::lseek(key_file.get(), 0, SEEK_SET) != 0) throw_errno("seek");
    PrivateKey key(key_file.get());
    key_file.reset();
    confine();
    CallFilter(NeededCalls{}).enforce();
    return KeyKeeper(std::move(key), std::move(offers)).run();
}

}  // namespace postoffice
