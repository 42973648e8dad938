// The work of a helper that answers each request in a child of its own, so that it waits for none of them.
// Requests that it has no child for wait in the request socket.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "postoffice/base/clock.h"
#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/foreign_descriptors.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/process.h"

namespace postoffice {

template <class Request>
struct RequestWork {
    std::string title;  ///< of a child, for ps(1) and the log
    std::size_t most_children = 0;
    Seconds patience{};  ///< after which a child is killed
    /// In a child: answers over the packet socket that came with the request.
    std::function<void(const Request& request, const Fd& channel)> answer;
    /// No child could be started: the sender gets no answer.
    std::function<void(const Request& request, const std::string& reason)> not_started;
};

template <class Request>
class ChildPerRequest {
  public:
    /// `requests`: the reader of the request socket.
    ChildPerRequest(RequestWork<Request> work, Fd requests)
        : work_(std::move(work)), requests_(std::move(requests)) {}

    /// Until SIGTERM or SIGINT, and until the last child has ended. Returns the exit status. Throws
    /// std::system_error.
    int run() {
        while (requests_ || !children_.empty()) {
            wait();
            while (const int signal = signals_->next())
                if (signal != SIGCHLD) requests_.reset();
            reap();
            if (requests_) read_requests();
            for (const auto& [pid, deadline] : children_)
                if (deadline.passed()) (void)::kill(pid, SIGKILL);
            foreign_.close_all();
        }
        return 0;
    }

  private:
    bool has_room() const { return children_.size() < work_.most_children; }

    void wait() const {
        pollfd polled[] = {{signals_->fd(), POLLIN, 0}, {has_room() ? requests_.get() : -1, POLLIN, 0}};
        if (::poll(polled, std::size(polled), children_.empty() ? -1 : 500) < 0 && errno != EINTR)
            throw_errno("poll");
    }

    void reap() {
        for (ProcessEnd end = reap_child(); end.pid != 0; end = reap_child()) {
            log_if_crashed(work_.title, end);
            children_.erase(end.pid);
        }
    }

    void read_requests() {
        while (has_room()) {
            auto arrival = receive_struct_now<Request>(requests_.get());
            if (arrival.kind == PacketArrival::Kind::nothing) return;
            const bool is_request = arrival.kind == PacketArrival::Kind::packet &&
                                    arrival.descriptors.size() == 1 &&
                                    is_packet_socket(arrival.descriptors.front().get());
            if (is_request) serve(arrival.value, arrival.descriptors.front());
            foreign_.add(std::move(arrival.descriptors));
        }
    }

    /// The child has a copy of the channel.
    void serve(const Request& request, const Fd& channel) try {
        foreign_.close_all();
        const pid_t pid = spawn_process(work_.title, [&] {
            requests_.reset();
            signals_.reset();
            try {
                work_.answer(request, channel);
            } catch (const PeerGone&) {  // the process that asked has ended
            }
            return 0;
        });
        children_.emplace(pid, Deadline::after(work_.patience));
    } catch (const std::system_error& error) {
        work_.not_started(request, error.what());
    }

    RequestWork<Request> work_;
    Fd requests_;
    ForeignDescriptors foreign_;
    std::optional<SignalSource> signals_{std::in_place, std::initializer_list<int>{SIGTERM, SIGINT, SIGCHLD}};
    std::map<pid_t, Deadline> children_;
};

}  // namespace postoffice
