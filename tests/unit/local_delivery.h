// Helpers of tests of local delivery: a temporary folder, messages, children, and an agent that answers.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "../support/temporary_folder.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/process.h"
#include "postoffice/local/agent_protocol.h"
#include "postoffice/local/local_agent.h"

namespace postoffice::testing_local {

using Folder = test::TemporaryFolder;

inline std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream all;
    all << file.rdbuf();
    return all.str();
}

inline void put(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

inline std::size_t count_of(const std::string& text, const std::string& what) {
    std::size_t n = 0;
    for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++n;
    return n;
}

/// Names in a directory, without "." and "..".
inline std::vector<std::string> names_in(const std::string& path) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path))
        names.push_back(entry.path().filename());
    return names;
}

/// A child process that does not outlive its test.
class Child {
  public:
    explicit Child(const std::function<int()>& body) : pid_(spawn_process("test", body)) {}
    ~Child() { end(); }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    pid_t pid() const { return pid_; }
    void signal(int number) const { ::kill(pid_, number); }
    /// Its wait status, once it has ended by itself.
    int wait() {
        int status = -1;
        ::waitpid(std::exchange(pid_, 0), &status, 0);
        return status;
    }
    void end() {
        if (pid_ == 0) return;
        signal(SIGKILL);
        wait();
    }

  private:
    pid_t pid_;
};

inline Account own_account() {
    return {"somebody", ::getuid(), ::getgid(), "/nonexistent", "/bin/sh", ""};
}

inline Config config_with(const Folder& folder) {
    Config config;
    config.identity.hostname = "mail.example.org";
    config.local.mail_dir = folder.path();
    return config;
}

/// Sends a channel to an agent's control socket and returns our end.
inline Fd give_channel(int control) {
    SocketPair pair = packet_socket_pair();
    const int end = pair.theirs.get();
    send_struct(control, ChannelHandover{}, std::span(&end, 1));
    return std::move(pair.ours);
}

inline void ask(int channel, const std::string& message, const std::string& sender = "a@example.org",
                MailFolder folder = MailFolder::inbox) {
    DeliveryRequest request;
    request.folder = static_cast<std::uint8_t>(folder);
    request.id.assign_cut("q1");
    request.sender.assign_cut(sender);
    request.recipient.assign_cut("somebody@example.org");
    const Fd file = disk::memory_file(message);
    const int fd = file.get();
    send_struct(channel, request, std::span(&fd, 1));
}

/// The next answer; outcome 99 at the end of the channel.
inline DeliveryAnswer answer_on(int channel) {
    auto received = receive_struct<DeliveryAnswer>(channel, Deadline::after(Seconds(60)));
    if (received) return received->value;
    DeliveryAnswer none;
    none.outcome = 99;
    return none;
}

}  // namespace postoffice::testing_local
