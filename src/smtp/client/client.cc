#include "postoffice/smtp/client/client.h"

#include <fmt/format.h>

#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/net/connect.h"
#include "reply_reader.h"

namespace postoffice {
namespace {

constexpr Seconds goodbye_patience{5};

std::string peer_text(const std::string& name, const Endpoint& endpoint) {
    const std::string literal = endpoint.address.to_literal();
    return name == literal ? literal : name + " " + literal;
}

}  // namespace

SmtpClient::SmtpClient(const MailServer& server, const std::string& own_name, const ClientTimeouts& timeouts,
                       std::function<void(const std::string&)> transcript)
    : timeouts_(timeouts),
      transcript_(std::move(transcript)),
      peer_(server.name),
      place_(server.name),
      ceiling_(Deadline::after(timeouts.message)),
      speaks_lmtp_(server.speaks_lmtp),
      tls_(server.tls) {
    try {
        open(server, own_name);
    } catch (const ClosingDown& e) {
        refuse(judge(e.reply));
    } catch (const FormatError& e) {  // what this host needs for TLS
        refuse(deferred("4.3.5", e.what()));
    } catch (const std::runtime_error& e) {  // Timeout, PeerGone, std::system_error
        refuse(connection_ ? lost(e.what())
                           : deferred("4.4.1", fmt::format("{}: {}", server.name, e.what())));
    }
}

SmtpClient::~SmtpClient() = default;

// A server that hangs up on EHLO gets a second call with HELO (RFC 5321 section 3.2 and its predecessors),
// one that cannot begin TLS gets one in the clear, if that is allowed.
void SmtpClient::open(const MailServer& server, const std::string& own_name) {
    for (bool extended = true;;) {
        connect(server);
        if (refusal_) return;
        if (!say_hello(own_name, extended))
            extended = false;
        else if (refusal_ || secure(own_name))
            return;
    }
}

void SmtpClient::connect(const MailServer& server) {
    connection_.reset();
    extensions_ = {};
    step_ = "connecting";
    connection_.emplace(open_socket(server));
    if (tls_.is_implicit) start_implicit_tls();
    if (refusal_) return;
    step_ = "waiting for the greeting";
    const Reply greeting = completion(read_reply(timeouts_.greeting));
    if (!greeting.is_positive()) refuse(judge(greeting));
}

// A second call goes to the address that had the first one.
Fd SmtpClient::open_socket(const MailServer& server) {
    const auto call = [&](const std::string& peer) {
        if (transcript_) transcript_("connecting to " + peer);
    };
    const Deadline deadline = within(timeouts_.connect);
    const auto* first = std::get_if<Endpoint>(&server.place);
    if (first == nullptr) {
        call(peer_);
        return connect_to(std::get<std::string>(server.place), deadline);
    }
    std::vector<Endpoint> places = {endpoint_.value_or(*first)};
    if (!endpoint_) places.insert(places.end(), server.more_places.begin(), server.more_places.end());
    call(peer_text(server.name, places.front()));
    FirstConnection made = connect_to_first(places, deadline, server.source_addresses);
    if (made.peer != places.front()) call(peer_text(server.name, made.peer));
    if (!endpoint_) places_left_ = std::move(made.left);
    endpoint_ = made.peer;
    own_endpoint_ = Endpoint::local_of(made.socket.get());
    peer_ = peer_text(server.name, made.peer);
    place_ = made.peer.address.to_string();
    return std::move(made.socket);
}

// False if the server closed the connection instead of answering EHLO.
bool SmtpClient::say_hello(const std::string& own_name, bool extended) {
    step_ = "greeting";
    if (speaks_lmtp_) {
        const Reply reply = completion(answer_to("LHLO " + own_name));
        reply.is_positive() ? learn_extensions(reply.text) : refuse(judge(reply));
        return true;
    }
    if (extended) {
        command("EHLO " + own_name);
        try {
            const Reply reply = completion(read_reply(timeouts_.command));
            if (reply.is_positive()) {
                learn_extensions(reply.text);
                return true;
            }
            if (reply.is_temporary()) {
                refuse(judge(reply));
                return true;
            }
        } catch (const PeerGone&) {
            return false;
        }
    }
    const Reply reply = completion(answer_to("HELO " + own_name));
    if (!reply.is_positive()) refuse(judge(reply));
    return true;
}

// `text`: the answer to EHLO; its first line is the server's name.
void SmtpClient::learn_extensions(std::string_view text) {
    (void)read_until(text, '\n');
    while (!text.empty()) {
        std::string_view line = read_until(text, '\n');
        const std::string_view keyword = read_until(line, ' ');
        if (equals_ignoring_case(keyword, "PIPELINING")) extensions_.pipelining = true;
        if (equals_ignoring_case(keyword, "8BITMIME")) extensions_.eight_bit_mime = true;
        if (equals_ignoring_case(keyword, "DSN")) extensions_.dsn = true;
        if (equals_ignoring_case(keyword, "SMTPUTF8")) extensions_.smtputf8 = true;
        if (equals_ignoring_case(keyword, "STARTTLS")) extensions_.starttls = true;
        if (equals_ignoring_case(keyword, "DELIVERBY")) extensions_.deliver_by = true;
        if (equals_ignoring_case(keyword, "MT-PRIORITY")) extensions_.priority = true;
        if (equals_ignoring_case(keyword, "AUTH")) extensions_.auth = trim(line);
        if (equals_ignoring_case(keyword, "REQUIRETLS")) extensions_.requiretls = true;
        if (equals_ignoring_case(keyword, "LIMITS")) learn_limits(line);
        if (equals_ignoring_case(keyword, "SIZE")) {
            extensions_.size = true;
            extensions_.size_limit = parse_number(trim(line)).value_or(0);
        }
    }
}

// RFC 9422 section 3: "RCPTMAX=100 MAILMAX=10"; what we do not know, or is no number, limits nothing.
void SmtpClient::learn_limits(std::string_view text) {
    while (!text.empty()) {
        std::string_view value = read_until(text, ' ');
        const std::string_view name = read_until(value, '=');
        const auto most = parse_number(value);
        if (!most || *most == 0) continue;
        if (equals_ignoring_case(name, "RCPTMAX")) extensions_.most_recipients = *most;
        if (equals_ignoring_case(name, "MAILMAX")) extensions_.messages = *most;
    }
}

void SmtpClient::refuse(DeliveryResult why) {
    // A server that refuses for good waits for our QUIT (RFC 5321 section 3.1); one with 4xx is often gone.
    if (why.outcome == DeliveryResult::Outcome::failed) quit();
    hang_up();
    refusal_ = std::move(why);
}

void SmtpClient::command(std::string_view line) {
    if (transcript_) transcript_(fmt::format("{} >> {}", place_, line));
    connection_->write(line, within(timeouts_.command));
    connection_->write("\r\n", within(timeouts_.command));
}

// An answer that is here before the question would shift all that follow. Only 421 may come at any time.
void SmtpClient::refuse_answers_to_nothing() {
    if (!connection_->has_buffered_input()) return;
    (void)read_reply(timeouts_.command);
    throw BadReply("it answers what was not asked");
}

Reply SmtpClient::answer_to(std::string_view line) {
    refuse_answers_to_nothing();
    command(line);
    return read_reply(timeouts_.command);
}

// One deadline for the whole reply: octets that drip in do not prolong it.
Reply SmtpClient::read_reply(Seconds patience) {
    const Deadline deadline = within(patience);
    ReplyReader reader;
    while (!reader.is_complete()) {
        const std::string_view input = connection_->peek(deadline);
        if (input.empty()) throw PeerGone("it closed the connection");
        connection_->consume(reader.feed(input));
        if (!reader.is_complete() && deadline.passed()) throw Timeout("its answer takes too long");
    }
    Reply reply = reader.take();
    if (transcript_) {
        for (const std::string_view line : split(reply.text, '\n'))
            transcript_(fmt::format("{} << {} {}{}{}", place_, reply.code, reply.status,
                                    reply.status.empty() ? "" : " ", line));
    }
    if (reply.code == 421) throw ClosingDown{std::move(reply)};
    return reply;
}

DeliveryResult SmtpClient::judge(const Reply& reply) const {
    using Outcome = DeliveryResult::Outcome;
    DeliveryResult result{Outcome::deferred, reply, peer_};
    if (reply.is_positive()) result.outcome = Outcome::delivered;
    if (reply.is_permanent()) result.outcome = Outcome::failed;
    if (reply.status.empty()) result.reply.status = fmt::format("{}.0.0", reply.code / 100);
    return result;
}

DeliveryResult SmtpClient::lost(const std::string& why) const {
    return deferred("4.4.2", fmt::format("lost connection with {} while {}: {}", peer_, step_, why));
}

Deadline SmtpClient::within(Seconds patience) const {
    return Deadline::earlier(Deadline::after(patience), ceiling_);
}

bool SmtpClient::is_alive() {
    try {
        return connection_ && extensions_.messages > 0 &&
               !connection_->wait_for_input(Deadline::after(Milliseconds(0)));
    } catch (const std::runtime_error&) {
        return false;
    }
}

void SmtpClient::hang_up() {
    if (connection_) connection_->close();
    connection_.reset();
}

void SmtpClient::quit() {
    say_goodbye([this] { (void)read_reply(goodbye_patience); });
}

void SmtpClient::leave() {
    say_goodbye([this] { connection_->flush(within(goodbye_patience)); });
}

void SmtpClient::say_goodbye(const std::function<void()>& and_then) {
    if (!connection_) return;
    ceiling_ = Deadline::after(goodbye_patience);
    try {
        command("QUIT");
        and_then();
    } catch (const ClosingDown&) {
        // It was leaving anyway.
    } catch (const std::runtime_error&) {
        // Nothing depends on the answer.
    }
    hang_up();
}

}  // namespace postoffice
