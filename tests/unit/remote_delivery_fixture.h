// Three mail hosts of a domain, as scripted servers on the loopback interface, and DNS that names them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "../support/fake_smtp_server.h"
#include "../support/smtp_sink.h"
#include "dns_servers.h"
#include "postoffice/base/disk.h"
#include "postoffice/config/values.h"
#include "postoffice/outbound/remote_delivery.h"

namespace postoffice::testing_remote_delivery {

using test::FakePeer;
using test::FakeServer;
using test::SmtpSink;
using Verdict = DeliveryResult::Outcome;

inline const Address alice("alice", "a.test");
inline const Address bob("bob", "b.test");
inline const Address carol("carol", "b.test");

inline std::string mx_record(std::string_view owner, unsigned preference, std::string_view host) {
    return wire_record(owner, DnsType::mx, wire_u16(preference) + wire_name(host));
}

// b.test has three mail hosts, at 127.0.0.2, .3 and .4.
inline std::vector<FakeAnswer> zone(const FakeQuery& query) {
    const std::string& name = query.question.name;
    const auto found = [&](const std::vector<std::string>& records) {
        return std::vector<FakeAnswer>{{wire_response(query, response_flags, records)}};
    };
    constexpr unsigned server_failure = 2;
    constexpr unsigned no_such_name = 3;
    if (name == "broken.test") return {{wire_response(query, response_flags | server_failure, {})}};
    if (query.question.type == DnsType::mx) {
        if (name == "b.test")
            return found({mx_record(name, 30, "mx3.b.test"), mx_record(name, 10, "mx1.b.test"),
                          mx_record(name, 20, "mx2.b.test")});
        if (name == "null.test") return found({mx_record(name, 0, "")});
        if (name == "own.test") return found({mx_record(name, 0, "own.b.test")});
    }
    if (query.question.type == DnsType::a) {
        if (name == "mx1.b.test") return found({a_record(name, "127.0.0.2")});
        if (name == "mx2.b.test") return found({a_record(name, "127.0.0.3")});
        if (name == "mx3.b.test") return found({a_record(name, "127.0.0.4")});
        if (name == "own.b.test") return found({a_record(name, "127.0.0.1")});
        if (name == "relay.test") return found({a_record(name, "127.0.0.3")});
    }
    const bool exists = name.ends_with("b.test") || name == "relay.test";
    return {{wire_response(query, response_flags | (exists ? 0 : no_such_name), {})}};
}

// A server that takes everything, for so many messages over one connection.
inline FakeServer::Script taker(int messages = 1) {
    return [messages](FakePeer& p) {
        p.greet();
        for (int i = 0; i < messages; ++i) {
            p.answer("250 ok\r\n");
            p.answer("250 ok\r\n");
            p.answer("354 go\r\n");
            p.body();
            p.say("250 2.0.0 taken\r\n");
        }
        p.wait_for_close();
    };
}

inline FakeServer::Script greeting(std::string text) {
    return [text](FakePeer& p) {
        p.say(text);
        p.answer("221 bye\r\n");
    };
}

class RemoteDeliveryTest : public testing::Test {
  protected:
    RemoteDeliveryTest() : dns_(zone), resolver_(test_settings({dns_.endpoint()})) {
        config_.identity.hostname = "me.test";
        config_.network.listen = {{{}, 1}};
    }

    // Servers at 127.0.0.2 and up, all at the port that the first one gets.
    void serve(const std::vector<std::vector<FakeServer::Script>>& scripts) {
        for (const auto& script : scripts) {
            const std::string address = "127.0.0." + std::to_string(servers_.size() + 2);
            servers_.push_back(std::make_unique<FakeServer>(script, address, config_.remote.port));
            config_.remote.port = servers_.front()->endpoint().port;
        }
    }
    // Host n (from 1) exists, but no server listens there.
    static std::vector<FakeServer::Script> nobody() { return {}; }
    void nobody_listens() {
        serve({nobody()});
        servers_.clear();
    }

    RemoteDelivery to(const std::string& destination) {
        ClientTimeouts timeouts{Seconds(20), Seconds(20), Seconds(20), Seconds(20), Seconds(20), Seconds(60)};
        NextHop next_hop{NextHop::MailHosts{destination}};
        if (destination.empty()) next_hop.where = NextHop::Relays{config_.remote.relay_hosts};
        return RemoteDelivery(config_, resolver_, next_hop, timeouts);
    }
    static RemoteDelivery::Outcome send(RemoteDelivery& delivery,
                                        const std::vector<Address>& recipients = {bob}) {
        const Fd message = disk::memory_file("Subject: x\n\nhello\n");
        return delivery.deliver({alice, {recipients.begin(), recipients.end()}}, message.get(), 18);
    }
    RemoteDelivery::Outcome send_to(const std::string& destination,
                                    const std::vector<Address>& recipients = {bob}) {
        RemoteDelivery delivery = to(destination);
        return send(delivery, recipients);
    }

    FakeDns dns_;
    Resolver resolver_;
    Config config_ = [] {
        Config config;
        config.remote.port = 0;
        return config;
    }();
    std::vector<std::unique_ptr<FakeServer>> servers_;
};

inline void expect(const RemoteDelivery::Outcome& outcome, Verdict verdict, const std::string& status) {
    ASSERT_FALSE(outcome.results.empty());
    for (const auto& result : outcome.results) {
        EXPECT_EQ(result.outcome, verdict) << result.reply.line();
        EXPECT_EQ(result.reply.status, status) << result.reply.line();
    }
}

}  // namespace postoffice::testing_remote_delivery
