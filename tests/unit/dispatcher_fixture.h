// A dispatcher whose queue agents are the test itself: it holds the other ends of their channels.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <list>
#include <system_error>
#include <thread>

#include "bouncer_fixture.h"
#include "postoffice/base/packet.h"
#include "postoffice/delivery/dispatcher.h"
#include "postoffice/delivery/queue_job.h"

namespace postoffice::testing_dispatcher {

class DispatcherTest : public BouncerFixture {
  protected:
    struct FakeAgent {
        QueueAgentTask task;
        Fd channel;
        int seen_by_dispatcher = -1;

        /// Of the job that waits for it; without one, the first that it was started for.
        std::string destination() const {
            if (task.is_local) return "local";
            QueueJob job;
            const bool has_job = ::recv(channel.get(), &job, sizeof job, MSG_PEEK | MSG_DONTWAIT) > 0;
            return has_job && job.domain.str() != "" ? job.domain.str() : task.next_hop.to_string();
        }
    };

    Worker start_agent(const QueueAgentTask& task) {
        if (no_processes_) throw std::system_error(EAGAIN, std::generic_category(), "fork");
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
            throw std::system_error(errno, std::generic_category(), "socketpair");
        agents_.push_back({task, Fd(ends[1]), ends[0]});
        ++started_;
        Worker worker;
        worker.channel = Fd(ends[0]);
        return worker;
    }

    static Recipient at(const std::string& domain) {
        const Address address("bob", domain);
        return {address, {Destination::Remote{}, address}};
    }
    static Recipient program_of(const std::string& user) {
        const Address address(user, "host.test");
        return {address, {Destination::Program{"cat", Destination::InUserFile{user}}, address}};
    }
    std::string queue(const std::vector<Recipient>& recipients, Seconds age = Seconds(0),
                      const std::string& client = "") {
        Envelope envelope;
        envelope.origin.client_address = client;
        envelope.sender = Address("alice", "a.test");
        envelope.arrived = now_unix() - age.count();
        envelope.recipients = recipients;
        Message message(folder_.path());
        message.append("Subject: x\n\nText\n");
        return spool_.commit(Spool::new_id(), envelope, message).id();
    }

    /// Agents that were dismissed since are forgotten.
    void forget_dismissed() {
        std::erase_if(agents_, [](const FakeAgent& agent) {
            char octet;
            return ::recv(agent.channel.get(), &octet, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
        });
    }
    /// The first agent that has a job delivers it; the name of its destination, or "" if no agent has one.
    std::string deliver_one() {
        forget_dismissed();
        for (FakeAgent& agent : agents_) {
            const std::string name = agent.destination();
            auto job = receive_struct_now<QueueJob>(agent.channel.get());
            if (job.kind != PacketArrival::Kind::packet) continue;
            QueueEntry entry(folder_.path(), std::move(job.descriptors.at(0)));
            for (std::uint32_t i = 0; i < job.value.count; ++i)
                entry.record(job.value.recipients[i], delivered("Kept"));
            send_struct(agent.channel.get(), QueueJobDone());
            EXPECT_TRUE(dispatcher_.serve(agent.seen_by_dispatcher));
            return name;
        }
        return "";
    }
    /// The first agent that has a job finds no host that takes it; false if none has one.
    bool refuse_one(const std::string& by) {
        forget_dismissed();
        for (FakeAgent& agent : agents_) {
            if (receive_struct_now<QueueJob>(agent.channel.get()).kind != PacketArrival::Kind::packet)
                continue;
            QueueJobDone done;
            done.destination_is_down = done.is_unrecorded = 1;
            done.code = 421;
            done.status.assign_cut("4.7.0");
            done.why.assign_cut("too many connections");
            done.by.assign_cut(by);
            send_struct(agent.channel.get(), done);
            return dispatcher_.serve(agent.seen_by_dispatcher);
        }
        return false;
    }
    /// As deliver_one(), by the agent for this destination.
    bool deliver_to(const std::string& destination) {
        const auto is_other = [&](const FakeAgent& agent) { return agent.destination() != destination; };
        std::list<FakeAgent> others;
        for (auto agent = agents_.begin(); agent != agents_.end();) {
            const auto next = std::next(agent);
            if (is_other(*agent)) others.splice(others.end(), agents_, agent);
            agent = next;
        }
        const bool is_done = deliver_one() == destination;
        agents_.splice(agents_.end(), others);
        return is_done;
    }
    /// The agents that were asked to end do so.
    void end_those_asked() {
        for (const int channel : std::exchange(asked_to_end_, {})) {
            std::erase_if(agents_,
                          [&](const FakeAgent& agent) { return agent.seen_by_dispatcher == channel; });
            EXPECT_TRUE(dispatcher_.serve(channel));
        }
    }
    bool has_agent(const std::string& destination) {
        forget_dismissed();
        return std::any_of(agents_.begin(), agents_.end(),
                           [&](const FakeAgent& agent) { return agent.destination() == destination; });
    }
    void let_time_pass() {
        std::this_thread::sleep_for(2 * slow);
        dispatcher_.end_idle_agents();
        end_those_asked();
    }
    std::vector<std::string> deliver_all() {
        std::vector<std::string> names;
        for (std::string name = deliver_one(); !name.empty(); name = deliver_one()) names.push_back(name);
        return names;
    }

    std::list<FakeAgent> agents_;
    unsigned started_ = 0;
    bool no_processes_ = false;
    std::vector<std::string> deferred_;
    std::vector<std::string> finished_;
    std::vector<std::string> gone_;
    std::vector<std::string> reports_;
    bool may_leave_ = true;
    std::vector<int> asked_to_end_;
    static constexpr Milliseconds slow{100};
    Dispatcher dispatcher_{
        config_,
        spool_,
        bouncer_,
        {.start_agent = [this](const QueueAgentTask& task) { return start_agent(task); },
         .on_deferred = [this](const std::string& id, UnixTime) { deferred_.push_back(id); },
         .on_finished = [this](const std::string& id) { finished_.push_back(id); },
         .on_gone = [this](const std::string& id) { gone_.push_back(id); },
         .on_queued = [this](const std::string& id) { reports_.push_back(id); },
         .may_leave = [this](const Journal&) { return may_leave_; },
         .owner_of = [](const std::string& domain) { return domain == "club.test" ? "carol" : ""; },
         .end_agent = [this](const Worker& worker, int) { asked_to_end_.push_back(worker.channel.get()); }},
        slow};
};

}  // namespace postoffice::testing_dispatcher
