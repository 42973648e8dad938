// The login of an SmtpClient: RFC 4954.
#include <fmt/format.h>

#include <utility>

#include "postoffice/base/base64.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/smtp/client/client.h"
#include "reply_reader.h"

namespace postoffice {
namespace {

constexpr int challenge_code = 334;
constexpr unsigned most_challenges = 10;

}  // namespace

void SmtpClient::log_in(SaslExchange& exchange) {
    step_ = "logging in";
    auto transcript = std::exchange(transcript_, {});
    Reply reply;
    try {
        reply = carry_out(exchange);
        if (reply.code / 100 != 2)
            refuse(deferred("4.7.8", "the login was refused: " + reply.line(), peer_));
        else if (!exchange.is_satisfied())
            refuse(deferred("4.7.8", "the server did not prove that it knows the password", peer_));
    } catch (const ClosingDown& e) {
        reply = e.reply;
        refuse(deferred("4.7.8", "the login was refused: " + reply.line(), peer_));
    } catch (const std::runtime_error& e) {
        refuse(lost(e.what()));
    }
    transcript_ = std::move(transcript);
    if (transcript_)
        transcript_(fmt::format("{} -- AUTH {}: {}", place_, exchange.mechanism(), reply.line()));
}

/// The last reply. An exchange that this host gives up ends with "*", which the server refuses.
Reply SmtpClient::carry_out(SaslExchange& exchange) {
    std::string line = fmt::format("AUTH {}", exchange.mechanism());
    if (const auto first = exchange.initial_response()) line += first->empty() ? " =" : " " + base64(*first);
    Reply reply = answer_to(line);
    for (unsigned n = 0; reply.code == challenge_code && n < most_challenges; ++n) {
        const auto challenge = decode_base64(trim(reply.text));
        const auto answer = challenge ? exchange.respond(*challenge) : std::nullopt;
        reply = answer_to(answer ? base64(*answer) : "*");
    }
    return reply;
}

}  // namespace postoffice
