// A client in a dialogue with a scripted server, and the lines of that dialogue.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "../support/fake_smtp_server.h"
#include "postoffice/base/disk.h"
#include "postoffice/smtp/client/client.h"

namespace postoffice::testing_smtp_client {

using test::FakePeer;
using test::FakeServer;
using Outcome = DeliveryResult::Outcome;

inline const Address alice("alice", "a.test");
inline const Address bob("bob", "b.test");
inline const Address carol("carol", "b.test");
inline const Address dave("dave", "b.test");

inline constexpr std::string_view pipelining = "250-PIPELINING\r\n";
inline const std::string small_message = "Subject: hello\n\nworld\n";

inline ClientTimeouts patient() {
    return {Seconds(20), Seconds(20), Seconds(20), Seconds(20), Seconds(20), Seconds(60)};
}

/// A client, and all lines of its dialogue.
struct Dialogue {
    explicit Dialogue(const Endpoint& server, const ClientTimeouts& timeouts = patient(), bool lmtp = false)
        : client({"mx.test", server, lmtp}, "me.test", timeouts,
                 [this](const std::string& line) { lines.push_back(line); }) {}
    Dialogue(const Endpoint& server, const ClientTls& tls)
        : client({"mx.test", server, false, tls}, "me.test", patient(),
                 [this](const std::string& line) { lines.push_back(line); }) {}

    TransactionResult send(const std::vector<Address>& recipients = {bob}, Body body = Body::seven_bit,
                           const std::string& message = small_message) {
        const Fd file = disk::memory_file(message);
        return client.send({alice, {recipients.begin(), recipients.end()}, body}, file.get(), message.size());
    }
    bool said(const std::string& line) const {
        return std::find(lines.begin(), lines.end(), line) != lines.end();
    }

    std::vector<std::string> lines;
    SmtpClient client;
};

inline std::string by_mx_test() {
    return "mx.test [127.0.0.1]";
}

}  // namespace postoffice::testing_smtp_client
