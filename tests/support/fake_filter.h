// A filter that follows a script, for what no real filter does on purpose: one function for each connection,
// run one after the other in a thread.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "../../src/milter/protocol.h"
#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"
#include "postoffice/config/value_types.h"
#include "postoffice/net/connection.h"
#include "temporary_folder.h"

namespace postoffice::test {

/// "C", "M<a@b>|SIZE=1|": the kind of a packet, and its data with '|' for NUL.
inline std::string packet_text(const milter::Packet& packet) {
    std::string text = packet.kind + packet.data;
    for (char& c : text)
        if (c == '\0') c = '|';
    return text;
}

/// The script's end of a connection.
class FilterPeer {
  public:
    explicit FilterPeer(Fd socket) : connection_(std::move(socket)) {}

    /// The next packet that has no macros; a kind of 0 at end of file. All are in heard().
    milter::Packet next() {
        for (;;) {
            if (auto packet = reader_.take()) {
                heard_.push_back(packet_text(*packet));
                if (packet->kind != milter::command::macros) return *packet;
                continue;
            }
            const auto octets = connection_.peek(deadline());
            if (octets.empty()) return {};
            reader_.feed(octets);
            connection_.consume(octets.size());
        }
    }
    void say_octets(std::string_view octets) {
        connection_.write(octets, deadline());
        connection_.flush(deadline());
    }
    void say(char kind, std::string_view data = "") {
        std::string wire;
        milter::append_packet(wire, kind, data);
        say_octets(wire);
    }
    /// Answers the negotiation.
    void agree(std::uint32_t flags = 0, std::uint32_t version = 6, const std::string& macros = "") {
        (void)next();
        std::string data;
        for (const std::uint32_t number : {version, milter::all_actions, flags})
            milter::append_number(data, number);
        say(milter::command::negotiate, data + macros);
    }
    /// Answers each question with "continue", until one of `kind` comes, which it leaves to the script.
    milter::Packet go_on_until(char kind) {
        for (;;) {
            milter::Packet packet = next();
            if (packet.kind == kind || packet.kind == 0) return packet;
            constexpr std::string_view unanswered{"AKQ"};
            if (unanswered.find(packet.kind) == std::string_view::npos) say(milter::answer::go_on);
        }
    }
    /// Until the other end has gone.
    void finish() { (void)go_on_until(0); }
    const std::vector<std::string>& heard() const { return heard_; }

  private:
    static Deadline deadline() { return Deadline::after(Seconds(20)); }
    Connection connection_;
    milter::PacketReader reader_;
    std::vector<std::string> heard_;
};

class FakeFilter {
  public:
    using Script = std::function<void(FilterPeer&)>;

    explicit FakeFilter(std::vector<Script> scripts)
        : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        path().copy(name.sun_path, sizeof name.sun_path - 1);
        if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0)
            throw_errno("bind");
        if (::listen(listener_.get(), 8) != 0) throw_errno("listen");
        thread_ = std::thread([this, scripts = std::move(scripts)] { run(scripts); });
    }
    ~FakeFilter() { stop(); }

    std::string path() const { return folder_.path() + "/filter"; }
    FilterSettings settings() const { return {.place = {.path = path()}}; }
    /// All packets of all connections, when the scripts have ended.
    const std::vector<std::string>& heard() {
        stop();
        return heard_;
    }

  private:
    void stop() {
        stop_ = true;
        if (thread_.joinable()) thread_.join();
    }
    void run(const std::vector<Script>& scripts) {
        for (const Script& script : scripts) {
            pollfd waiting{listener_.get(), POLLIN, 0};
            while (::poll(&waiting, 1, 10) == 0)
                if (stop_) return;
            FilterPeer peer(Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
            try {
                script(peer);
            } catch (const std::exception&) {
                // The other end left in the middle; its own test says whether it should have.
            }
            heard_.insert(heard_.end(), peer.heard().begin(), peer.heard().end());
        }
    }

    TemporaryFolder folder_;
    Fd listener_;
    std::atomic<bool> stop_ = false;
    std::vector<std::string> heard_;
    std::thread thread_;
};

}  // namespace postoffice::test
