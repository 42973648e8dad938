// A spawner with a mail directory, in a process of its own; as root with accounts of the test.
#pragma once

#include <fmt/format.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <iterator>
#include <memory>

#include "lingering_socket.h"
#include "local_delivery.h"
#include "postoffice/base/accounts.h"
#include "postoffice/base/request_socket.h"
#include "postoffice/daemon/become_user.h"
#include "postoffice/daemon/spawner.h"
#include "postoffice/delivery/agent_delivery.h"
#include "postoffice/delivery/agent_questions.h"

namespace postoffice::testing_spawner {

using namespace testing_local;

using namespace testing_local;
using Outcome = DeliveryResult::Outcome;

inline constexpr const char* test_accounts =
    "root:x:0:0:root:/root:/bin/sh\n"
    "bob:x:64001:64001::/nonexistent:/bin/sh\n"
    "eve:x:64002:64002::/nonexistent:/bin/sh\n"
    "toor:x:0:64003::/root:/bin/sh\n"
    "wheel:x:64004:0::/nonexistent:/bin/sh\n"
    "carol:x:64005:64005::/nonexistent:/bin/sh\n";
constexpr const char* test_groups =
    "root:x:0:\npostbox:x:64100:\nbob:x:64001:\neve:x:64002:\nfriends:x:64200:bob\n";

inline std::string invoking_user() {
    const auto self = find_account(::getuid());
    return self ? self->name : "";
}

class Spawner : public ::testing::Test {
  protected:
    void SetUp() override {
        // Users must get through to the mailboxes, and only the group may create one.
        if (::geteuid() == 0 &&
            (::chown(folder_.path().c_str(), 0, 64100) != 0 || ::chmod(folder_.path().c_str(), 02775) != 0))
            throw_errno("mail directory");
        config_.remote.agents = 20;
    }
    /// With accounts of the test's own, if root.
    void start(SpawnerLimits limits = {.idle = Seconds(600)}) {
        spawner_ = std::make_unique<Child>([&, this] {
            if (::geteuid() == 0) use_test_accounts();
            return run_spawner(config_, std::move(requests_.reader), tickets_, limits);
        });
    }
    void use_test_accounts() const {
        if (::unshare(CLONE_NEWNS) != 0) throw_errno("unshare");
        if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) throw_errno("mount");
        const Folder own;
        put(own / "passwd", test_accounts);
        put(own / "group", test_groups);
        for (const std::string file : {"passwd", "group"})
            if (::mount((own / file).c_str(), ("/etc/" + file).c_str(), nullptr, MS_BIND, nullptr) != 0)
                throw_errno("mount");
    }
    static bool may_mount() {
        if (::geteuid() != 0) return false;
        Child child([] { return ::unshare(CLONE_NEWNS) == 0 ? 0 : 1; });
        return child.wait() == 0;
    }
    AgentChannels channels(Milliseconds patience = Milliseconds(60'000)) const {
        return AgentChannels(SpawnerHandle(requests_.handle), patience, Seconds(30));
    }
    DeliveryResult deliver(AgentChannels& by, const std::string& user,
                           const std::string& text = "S: x\n\n") const {
        const Fd message = disk::memory_file(text);
        return AgentDelivery(by).deliver(
            {{"q1", user, Address("a", "example.org"), Address("b", "example.org")}}, message.get())[0];
    }
    DeliveryResult deliver(const std::string& user) const {
        auto by = channels();
        return deliver(by, user);
    }
    /// Children of the spawner.
    std::vector<pid_t> agents() const {
        const std::string pid = std::to_string(spawner_->pid());
        std::istringstream list(contents("/proc/" + pid + "/task/" + pid + "/children"));
        std::vector<pid_t> pids;
        for (pid_t child = 0; list >> child;) pids.push_back(child);
        return pids;
    }
    std::string status_of(pid_t pid, const std::string& key) const {
        std::istringstream lines(contents("/proc/" + std::to_string(pid) + "/status"));
        for (std::string line; std::getline(lines, line);)
            if (line.starts_with(key + ":")) return line.substr(key.size() + 2);
        return "";
    }
    void send(std::span<const std::byte> bytes, std::span<const int> descriptors) const {
        send_request(requests_.handle.get(), bytes, descriptors, Deadline::after(Seconds(60)));
    }
    void ask_spawner(const SpawnRequest& request, std::span<const int> descriptors) const {
        send(std::as_bytes(std::span(&request, 1)), descriptors);
    }
    /// Its agent waits at the channel for what it is to do.
    Fd ask_for_program(const std::string& user) const {
        SpawnRequest request;
        request.purpose = SpawnRequest::Purpose::instructions;
        EXPECT_TRUE(request.user.assign(user));
        SocketPair pair = packet_socket_pair();
        const int theirs = pair.theirs.get();
        ask_spawner(request, std::span(&theirs, 1));
        return std::move(pair.ours);
    }
    void wait_until(const std::function<bool()>& condition) const {
        for (int i = 0; i < 60'000 && !condition(); ++i) ::usleep(1000);
        ASSERT_TRUE(condition());
    }
    void stop_agent(pid_t pid) const {
        ::kill(pid, SIGSTOP);
        wait_until([&] { return status_of(pid, "State").starts_with("T"); });
    }
    void end_by_signal() {
        spawner_->signal(SIGTERM);
        EXPECT_EQ(0, spawner_->wait());
    }

    Folder folder_;
    Config config_ = config_with(folder_);
    RequestSocket requests_ = make_request_socket();
    TicketKey tickets_;
    std::unique_ptr<Child> spawner_;
    const std::string self_ = invoking_user();
};

}  // namespace postoffice::testing_spawner
