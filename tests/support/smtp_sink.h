// Postfix's smtp-sink as a real peer, from build/peers/postfix (tests/support/get-peers.sh puts it there) or
// from the folder in POSTOFFICE_PEERS.
#pragma once

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "postoffice/base/error.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/net/connect.h"

namespace postoffice::test {

class SmtpSink {
  public:
    static std::string root() {
        const char* peers = std::getenv("POSTOFFICE_PEERS");
        return (peers != nullptr ? std::string(peers) : "build/peers") + "/postfix/usr";
    }
    static bool is_available() { return ::access((root() + "/sbin/smtp-sink").c_str(), X_OK) == 0; }

    /// `options`: as on its command line.
    explicit SmtpSink(std::vector<std::string> options, const std::string& address = "127.0.0.1",
                      std::uint16_t port = 0)
        : endpoint_{IpAddress::parse(address).value(), port != 0 ? port : free_port(address)} {
        options.insert(options.begin(), root() + "/sbin/smtp-sink");
        if (::geteuid() == 0) options.insert(options.begin() + 1, {"-u", "nobody"});
        options.push_back(endpoint_.to_string());
        options.push_back("16");
        pid_ = ::fork();
        if (pid_ < 0) throw_errno("fork");
        if (pid_ == 0) exec(options);
        wait_until_it_listens();
    }
    ~SmtpSink() {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    SmtpSink(const SmtpSink&) = delete;
    SmtpSink& operator=(const SmtpSink&) = delete;

    const Endpoint& endpoint() const { return endpoint_; }

  private:
    [[noreturn]] static void exec(const std::vector<std::string>& words) {
        ::setenv("LD_LIBRARY_PATH", (root() + "/lib/postfix").c_str(), 1);
        std::vector<char*> argv;
        for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    static std::uint16_t free_port(const std::string& address) {
        const Fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_storage storage;
        const socklen_t length = Endpoint{IpAddress::parse(address).value(), 0}.to_sockaddr(storage);
        if (::bind(probe.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) throw_errno("bind");
        return Endpoint::local_of(probe.get()).value().port;
    }
    void wait_until_it_listens() const {
        for (int round = 0;; ++round) {
            try {
                (void)connect_to(endpoint_, Deadline::after(Seconds(5)));
                return;
            } catch (const std::system_error&) {
                if (round == 1000) throw;
                std::this_thread::sleep_for(Milliseconds(10));
            }
        }
    }

    Endpoint endpoint_;
    pid_t pid_ = -1;
};

}  // namespace postoffice::test
