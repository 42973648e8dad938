// One message over an SmtpClient's connection: envelope, body, verdict.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "body_writer.h"
#include "message_source.h"
#include "postoffice/base/error.h"
#include "postoffice/base/utf8.h"
#include "postoffice/base/worker.h"
#include "postoffice/smtp/client/client.h"
#include "reply_reader.h"

namespace postoffice {
namespace {

constexpr Seconds last_words_patience{1};

// An address that would break out of its command line. The parsers let none pass; this is the last gate.
bool is_sendable(const std::string& address) {
    return std::none_of(address.begin(), address.end(), [](char c) {
        const auto octet = static_cast<unsigned char>(c);
        return octet < 0x20 || octet == 0x7F;
    });
}

bool is_too_many(const DeliveryResult& result) {
    return result.reply.code == 452 && (result.reply.status.empty() || result.reply.status == "4.5.3");
}

}  // namespace

// One message on its way. A recipient is open until there is an answer that will not change: accepted ones
// stay open until the final dot is answered.
struct SmtpClient::Transaction {
    Transaction(const OutgoingEnvelope& what, int file, std::uint64_t octets)
        : envelope(what),
          sender(what.sender.to_string()),
          message{file, what.header ? &*what.header : nullptr},
          size(octets + what.trace.size()),
          results(what.recipients.size()) {
        if (what.header) size += what.header->text.size() - what.header->replaces;
        recipients.reserve(what.recipients.size());
        for (const auto& to : what.recipients) recipients.push_back(to.address.to_string());
    }
    // The server has to understand UTF-8 where there would otherwise be ASCII: RFC 6531 section 3.4.
    bool needs_utf8(std::size_t index) const {
        return envelope.parameters.smtputf8 || !is_ascii(sender) || !is_ascii(recipients[index]);
    }
    bool any_open_needs_utf8() const {
        for (std::size_t i = 0; i < results.size(); ++i)
            if (!results[i] && needs_utf8(i)) return true;
        return false;
    }
    void settle_open(const DeliveryResult& result) {
        for (auto& open : results)
            if (!open) open = result;
    }
    bool is_delivered_to_some() const {
        return std::any_of(results.begin(), results.end(), [](const auto& result) {
            return result && result->outcome == DeliveryResult::Outcome::delivered;
        });
    }
    bool has_open() const {
        return std::any_of(results.begin(), results.end(), [](const auto& result) { return !result; });
    }

    const OutgoingEnvelope& envelope;
    std::string sender;
    std::vector<std::string> recipients;
    MessageSource::Stored message;
    std::uint64_t size;
    std::optional<SevenBitPlan> seven_bits{};  // how the message is converted for a server without 8BITMIME
    std::vector<std::optional<DeliveryResult>> results;
    bool mail_was_deferred = false;
    bool was_full = false;             // some recipients had no room beside others
    bool may_have_been_taken = false;  // the final dot was sent
};

TransactionResult SmtpClient::send(const OutgoingEnvelope& envelope, int message, std::uint64_t size) {
    ceiling_ = Deadline::after(timeouts_.message);
    Transaction transaction(envelope, message, size);
    TransactionResult result;
    try {
        if (is_end_wanted()) {
            transaction.settle_open(deferred("4.3.2", "the delivery was interrupted on this host"));
        } else if (refusal_) {
            transaction.settle_open(*refusal_);
            result.other_host_may_help = true;
        } else if (!connection_) {
            transaction.settle_open(lost("the connection is closed"));
            result.other_host_may_help = true;
        } else {
            transact(transaction);
            result.other_host_may_help = transaction.mail_was_deferred;
        }
    } catch (const ClosingDown& e) {
        transaction.settle_open(judge(e.reply));
        result.other_host_may_help = !transaction.may_have_been_taken;
        hang_up();
    } catch (const MessageUnreadable& e) {
        // Without the final dot the server must forget what it got (RFC 5321 section 4.1.1.4).
        transaction.settle_open(deferred("4.3.0", "cannot read the message: " + e.why));
        hang_up();
    } catch (const std::runtime_error& e) {  // Timeout, PeerGone, std::system_error
        transaction.settle_open(lost(e.what()));
        result.other_host_may_help = !transaction.may_have_been_taken;
        hang_up();
    }

    result.connection_usable = connection_.has_value();
    result.was_full = transaction.was_full && transaction.is_delivered_to_some();
    result.recipients.reserve(envelope.recipients.size());
    const std::string tls = tls_text();
    for (auto& settled : transaction.results) {
        result.recipients.push_back(std::move(settled).value());
        DeliveryResult& last = result.recipients.back();
        if (!last.by.empty()) std::tie(last.tls, last.tls_policy) = std::tie(tls, tls_.policy);
        const auto& by = envelope.parameters.scheduling.deliver_by;
        const bool knows_time = !by || (extensions_.deliver_by && !by->is_traced);
        last.notice_passed_on =
            extensions_.dsn && knows_time && last.outcome == DeliveryResult::Outcome::delivered;
    }
    return result;
}

void SmtpClient::transact(Transaction& transaction) {
    convert_if_needed(transaction);
    refuse_locally(transaction);
    if (!transaction.has_open()) return;
    if (!ask_envelope(transaction)) return;
    if (const auto refusal = send_body(transaction)) return transaction.settle_open(judge(*refusal));
    transaction.may_have_been_taken = true;
    step_ = "waiting for the answer to the message";
    read_verdicts(transaction);
    needs_reset_ = false;
}

// One for all, or, in LMTP, one for each recipient that was accepted, in order (RFC 2033 section 4.2).
void SmtpClient::read_verdicts(Transaction& transaction) {
    if (!speaks_lmtp_) return transaction.settle_open(judge(completion(read_reply(timeouts_.final_dot))));
    for (auto& open : transaction.results)
        if (!open) open = judge(completion(read_reply(timeouts_.final_dot)));
}

// RFC 6152 section 3: without 8BITMIME the server gets the message in seven bits, or does not get it.
void SmtpClient::convert_if_needed(Transaction& transaction) const {
    const MailParameters& parameters = transaction.envelope.parameters;
    if (extensions_.eight_bit_mime || parameters.body != Body::eight_bit_mime) return;
    if (parameters.smtputf8 && !extensions_.smtputf8) return;  // refused for that
    SevenBitPlan plan = plan_seven_bits(transaction.message);
    if (plan.is_possible()) {
        transaction.size = converted_size(transaction.message, plan) + transaction.envelope.trace.size();
        transaction.seven_bits = std::move(plan);
        return;
    }
    DeliveryResult result =
        failed(plan.status, fmt::format("{}, and {} does not offer 8BITMIME", plan.obstacle, peer_));
    result.reply.code = 554;
    transaction.settle_open(result);
}

// A message that must be returned at a certain time goes only to a server that does that (RFC 2852 section
// 4).
void SmtpClient::refuse_time(Transaction& transaction) const {
    const Scheduling& scheduling = transaction.envelope.parameters.scheduling;
    if (!scheduling.deliver_by || !scheduling.deliver_by->returns) return;
    if (scheduling.must_be_returned(now_unix()))
        transaction.settle_open(failed("5.4.7", "the time in which it was to be delivered is over"));
    if (!extensions_.deliver_by)
        transaction.settle_open(failed(
            "5.3.3",
            fmt::format("it has a time after which it must be returned, and {} does not offer DELIVERBY",
                        peer_)));
}

// What need not be asked.
void SmtpClient::refuse_locally(Transaction& transaction) const {
    refuse_time(transaction);
    if (extensions_.size_limit != 0 && transaction.size > extensions_.size_limit) {
        DeliveryResult too_large =
            failed("5.3.4", fmt::format("the message has {} octets, and {} takes at most {}",
                                        transaction.size, peer_, extensions_.size_limit));
        too_large.reply.code = 552;
        transaction.settle_open(too_large);
    }
    if (!is_sendable(transaction.sender))
        transaction.settle_open(failed("5.1.7", "the sender's address cannot be sent"));
    for (std::size_t i = 0; i < transaction.recipients.size(); ++i) {
        if (!transaction.results[i] && !is_sendable(transaction.recipients[i]))
            transaction.results[i] = failed("5.1.3", "the recipient's address cannot be sent");
        if (!transaction.results[i] && !extensions_.smtputf8 && transaction.needs_utf8(i)) {
            DeliveryResult& result = transaction.results[i].emplace(failed(
                "5.6.7",
                fmt::format("addresses or header are in UTF-8, and {} does not offer SMTPUTF8", peer_)));
            if (!is_ascii(transaction.sender) || !is_ascii(transaction.recipients[i]))
                result.reply.code = 553;
        }
    }
}

// MAIL, RCPT… and DATA: with PIPELINING written together and then answered one by one (RFC 2920 section 3.1),
// without it each after the answer to the one before. True if the server waits for the message; else no
// recipient is open.
bool SmtpClient::ask_envelope(Transaction& transaction) {
    const std::string mail = mail_command(transaction);
    std::vector<std::string> rcpts(transaction.recipients.size());
    for (std::size_t i = 0; i < rcpts.size(); ++i) {
        if (!transaction.results[i]) rcpts[i] = rcpt_command(transaction, i);
    }
    if (extensions_.messages > 0) --extensions_.messages;
    const bool reset = std::exchange(needs_reset_, true);
    if (extensions_.pipelining) {
        refuse_answers_to_nothing();
        if (reset) command("RSET");
        command(mail);
        for (const std::string& rcpt : rcpts)
            if (!rcpt.empty()) command(rcpt);
        command("DATA");
    }
    const auto answer = [this](std::string_view line) {
        return extensions_.pipelining ? read_reply(timeouts_.command) : answer_to(line);
    };

    step_ = "sending RSET";
    if (reset && !completion(answer("RSET")).is_positive()) throw BadReply("it refuses RSET");
    step_ = "sending MAIL";
    const Reply sender_reply = completion(answer(mail));
    const bool sender_is_accepted = sender_reply.is_positive();
    if (!sender_is_accepted) {
        transaction.mail_was_deferred = sender_reply.is_temporary();
        transaction.settle_open(judge(sender_reply));
        if (!extensions_.pipelining) return false;
    }
    step_ = "sending RCPT";
    std::size_t accepted = 0;
    for (std::size_t i = 0; i < rcpts.size(); ++i) {
        if (rcpts[i].empty()) continue;
        const Reply reply = completion(answer(rcpts[i]));
        if (!sender_is_accepted) continue;
        if (reply.is_positive()) {
            ++accepted;
            continue;
        }
        transaction.results[i] = judge_recipient(reply, accepted > 0);
        transaction.was_full = transaction.was_full || (accepted > 0 && is_too_many(*transaction.results[i]));
    }
    if (transaction.was_full) extensions_.most_recipients = accepted;
    if (accepted == 0 && !extensions_.pipelining) return false;
    step_ = "sending DATA";
    return is_go_ahead(transaction, answer("DATA"));
}

// `reply`: to DATA. True if the message shall come.
bool SmtpClient::is_go_ahead(Transaction& transaction, const Reply& reply) {
    const bool go_ahead = reply.code >= 300 && reply.code < 400;
    if (!transaction.has_open()) {
        if (!go_ahead) return false;
        // Without recipients its answer is undefined (RFC 2033 section 4.2 has none).
        if (speaks_lmtp_) throw BadReply("it wants the message without recipients");
        // It wants the message without recipients: an empty one is the way out (RFC 2920 section 3.1).
        (void)completion(answer_to("."));
        needs_reset_ = false;
        return false;
    }
    if (!go_ahead && reply.is_positive()) throw BadReply(fmt::format("{} is no answer to DATA", reply.code));
    if (!go_ahead) transaction.settle_open(judge(reply));
    return go_ahead;
}

// 552 is "too many recipients" to servers older than 452 (RFC 5321 section 4.5.3.1.10).
DeliveryResult SmtpClient::judge_recipient(const Reply& reply, bool others_are_accepted) const {
    const bool may_be_too_many = reply.status.empty() || reply.status == "5.5.3";
    if (reply.code == 552 && others_are_accepted && may_be_too_many) return judge({452, "4.5.3", reply.text});
    return judge(reply);
}

std::string SmtpClient::mail_command(const Transaction& transaction) const {
    std::string line = "MAIL FROM:<" + transaction.sender + ">";
    if (extensions_.size) line += fmt::format(" SIZE={}", transaction.size);
    if (extensions_.eight_bit_mime && transaction.envelope.parameters.body == Body::eight_bit_mime)
        line += " BODY=8BITMIME";
    if (transaction.any_open_needs_utf8()) line += " SMTPUTF8";
    if (extensions_.requiretls && transaction.envelope.parameters.tls == TlsWish::required)
        line += " REQUIRETLS";
    const MailParameters& parameters = transaction.envelope.parameters;
    const Scheduling& scheduling = parameters.scheduling;
    if (extensions_.deliver_by && scheduling.deliver_by)
        line += " BY=" + deliver_by_value(*scheduling.deliver_by, now_unix());
    if (extensions_.priority && scheduling.priority != 0)
        line += fmt::format(" MT-PRIORITY={}", scheduling.priority);
    if (!extensions_.dsn) return line;
    if (parameters.return_part != ReturnPart::unspecified)
        line.append(" RET=").append(return_part_text(parameters.return_part));
    if (!parameters.envelope_id.empty()) line += " ENVID=" + parameters.envelope_id;
    return line;
}

std::string SmtpClient::rcpt_command(const Transaction& transaction, std::size_t index) const {
    std::string line = "RCPT TO:<" + transaction.recipients[index] + ">";
    const RecipientWishes& wishes = transaction.envelope.recipients[index].wishes;
    if (!extensions_.dsn) return line;
    if (wishes.notify.is_given()) line += " NOTIFY=" + wishes.notify.text();
    // One that is too long for a server that counts is left out: it is only a name.
    if (!wishes.original_recipient.empty() && wishes.original_recipient.size() <= max_original_recipient)
        line += " ORCPT=" + wishes.original_recipient;
    return line;
}

// Sends message and final dot. A server that hangs up in the middle may have said why: that is returned, and
// the connection is closed then.
std::optional<Reply> SmtpClient::send_body(const Transaction& transaction) {
    step_ = "sending the message";
    BodyEncoder encoder;
    std::string encoded;
    encoder.encode(transaction.envelope.trace, encoded);
    MessageSource source(transaction.message, transaction.seven_bits ? &*transaction.seven_bits : nullptr);
    try {
        std::string block;
        for (bool has_more = true; has_more; block.clear()) {
            has_more = source.read(block);
            encoder.encode(block, encoded);
            if (!has_more) {
                encoder.finish(encoded);
                hold_end();  // from the final dot on the server may have the message
            }
            connection_->write(encoded, within(timeouts_.data_block));
            encoded.clear();
        }
        connection_->flush(within(timeouts_.data_block));
    } catch (const PeerGone&) {
        auto words = last_words();
        if (!words) throw;
        hang_up();
        return words;
    }
    return std::nullopt;
}

// What lies in the buffer of a connection that broke while we wrote; only a refusal is believed.
std::optional<Reply> SmtpClient::last_words() {
    try {
        Reply reply = read_reply(last_words_patience);
        if (!reply.is_positive()) return reply;
    } catch (const std::runtime_error&) {
        // It left without a word: the caller has the reason already.
    }
    return std::nullopt;
}

}  // namespace postoffice
