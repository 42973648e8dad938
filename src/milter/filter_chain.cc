#include "postoffice/milter/filter_chain.h"

#include <fmt/format.h>

#include "filter.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {

using milter::Filter;
using milter::MessageContent;
using milter::MessageEdit;
using milter::Stage;

struct FilterChain::Members {
    std::vector<Filter> filters;
};

namespace {

std::string connect_data(const FilterClient& client) {
    std::string data;
    milter::append_text(data, client.name);
    if (!client.address) return data + 'U';
    data += client.address->is_v6() ? '6' : '4';
    data += static_cast<char>(client.port >> 8);
    data += static_cast<char>(client.port & 0xff);
    milter::append_text(data, client.address->to_string());
    return data;
}

std::string_view message_id(const MessageContent& content) {
    for (const milter::ContentField& field : content.fields())
        if (equals_ignoring_case(field.name, "Message-ID")) return trim(field.value(false));
    return "";
}

/// "<address>", then each ESMTP parameter.
std::string path_data(const Address& address, std::string_view parameters) {
    std::string data;
    milter::append_text(data, "<" + address.to_string() + ">");
    for (const auto parameter : split(parameters, ' '))
        if (!trim(parameter).empty()) milter::append_text(data, trim(parameter));
    return data;
}

}  // namespace

FilterChain::FilterChain(const Config& config, const Resolver& resolver, std::uint32_t failed,
                         KeptConnections* kept)
    : config_(config), resolver_(resolver), members_(new Members) {
    for (const FilterSettings& settings : config.filters.list) {
        const std::size_t number = members_->filters.size();
        members_->filters.emplace_back(settings, macros_, (failed >> number & 1) != 0,
                                       kept != nullptr ? &kept->of(number) : nullptr);
    }
}

FilterChain::~FilterChain() {
    for (Filter& filter : members_->filters) filter.close();
}

FilterVerdict FilterChain::mail(const FilterClient& client, const Address& sender,
                                std::string_view parameters, const Skips& skips) {
    for (const char* name : {"{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}", "{msg_id}"})
        macros_.set(name, "");  // of the message before
    macros_.set("{mail_addr}", sender.to_string());
    macros_.set("{mail_host}", sender.domain());
    macros_.set("{mail_mailer}", config_.identity.is_local_domain(sender.domain()) ? "local" : "smtp");
    unwanted_ = {};
    verdicts_.clear();
    const Filter::ClientFacts facts{connect_data(client), {client.helo, client.tls}};
    const std::string data = path_data(sender, parameters);
    for (Filter& filter : members_->filters) filter.begin_message(!skips(filter.settings()));
    return ask_each(Stage::mail, [&](Filter& filter) { return filter.ask_sender(resolver_, facts, data); });
}

FilterVerdict FilterChain::recipient(const Address& address, std::string_view parameters, bool is_local) {
    macros_.set("{rcpt_addr}", address.to_string());
    macros_.set("{rcpt_host}", address.domain());
    macros_.set("{rcpt_mailer}", is_local ? "local" : "smtp");
    const std::string data = path_data(address, parameters);
    return ask_each(Stage::recipient, [&](Filter& filter) { return filter.ask(Stage::recipient, data); });
}

void FilterChain::refused_recipient(const Address& address, std::string_view parameters, const Reply& reply) {
    macros_.set("{rcpt_addr}", reply.line());
    macros_.set("{rcpt_host}", reply.status);
    macros_.set("{rcpt_mailer}", "error");
    const std::string data = path_data(address, parameters);
    for (Filter& filter : members_->filters) filter.tell_refused_recipient(data);
}

FilterVerdict FilterChain::data() {
    return ask_each(Stage::data, [](Filter& filter) { return filter.ask(Stage::data, ""); });
}

FilterVerdict FilterChain::unknown(std::string_view line) {
    std::string data;
    milter::append_text(data, line);
    for (Filter& filter : members_->filters)
        if (FilterVerdict verdict = filter.ask(Stage::unknown, data); !verdict.goes_on()) return verdict;
    return {};
}

/// Each in its turn, until one of them does not go on.
FilterVerdict FilterChain::ask_each(Stage stage, const Ask& ask) {
    for (Filter& filter : members_->filters) {
        FilterVerdict verdict = ask(filter);
        if (verdict.goes_on()) continue;
        if (!accepts_unwanted(filter, verdict)) return verdict;
        note_unwanted(filter, stage, verdict);
    }
    return {};
}

/// A filter with refusal=spam refuses the message for good, which goes on without this filter if `spam=`
/// accepts it.
bool FilterChain::accepts_unwanted(Filter& filter, FilterVerdict& verdict) {
    if (!filter.settings().refuses_spam || filter.has_failed()) return false;
    if (verdict.kind != FilterVerdict::Kind::refuse || !verdict.reply.is_permanent()) return false;
    if (auto refusal = unwanted_.add(config_.access.spam, verdict.reply)) {
        verdict.is_unwanted = true;
        verdict.reply = *std::move(refusal);
        return false;
    }
    filter.leave_message();
    return true;
}

/// In the log, and for the journal.
void FilterChain::note_unwanted(const Filter& filter, Stage stage, const FilterVerdict& verdict) {
    const std::string place = filter.settings().place.to_string();
    const std::string_view name = milter::row_of(stage).name;
    verdicts_.push_back(fmt::format("filter {}: {} at {}", place, verdict.word(), name));
    log_event(
        macros_.get("i"), "filtered",
        {{"filter", place}, {"stage", name}, {"verdict", verdict.word()}, {"reply", verdict.reply.line()}});
}

/// In the log, for DEBUG, and for the journal.
void FilterChain::note_verdict(Filter& filter, const FilterVerdict& verdict, const std::string& changes,
                               Milliseconds time) {
    const std::string place = filter.settings().place.to_string();
    const std::string took = fmt::format("{}, {} ms", verdict.word(), time.count());
    filter.note_result(took);
    verdicts_.push_back(fmt::format("filter {}: {}{}", place, took, changes.empty() ? "" : ", " + changes));
    log_event(macros_.get("i"), "filtered",
              {{"filter", place},
               {"stage", "message"},
               {"verdict", verdict.word()},
               {"changes", changes},
               {"reply", verdict.goes_on() ? "" : verdict.reply.line()},
               {"took", fmt::format("{}ms", time.count())}});
}

/// One filter sees the message, and changes it.
FilterVerdict FilterChain::examine(Filter& filter, MessageContent& content, FilteredMessage& result) {
    if (filter.has_failed() || !filter.takes_part()) return filter.verdict_of_failure();
    const Stopwatch watch;
    const milter::BodyStore store{config_.queue.dir, config_.queue.minfree, config_.limits.size};
    MessageEdit edit(content, filter.settings().changes, store, filter.has(milter::flag::leading_space));
    FilterVerdict verdict = filter.examine(content, edit);
    if (filter.has_failed()) return verdict;
    note_verdict(filter, verdict, verdict.goes_on() ? edit.summary() : "", watch.time());
    if (!verdict.goes_on()) return accepts_unwanted(filter, verdict) ? FilterVerdict() : verdict;
    result.has_eight_bit = result.has_eight_bit || edit.has_eight_bit();
    result.envelope.add(edit.envelope());
    edit.apply_to(content);
    return verdict;
}

FilteredMessage FilterChain::examine(Message& message) {
    FilteredMessage result;
    MessageContent content(message);
    if (content.refusal()) return {.verdict = {FilterVerdict::Kind::refuse, *content.refusal()}};
    macros_.set("{msg_id}", message_id(content));
    for (Filter& filter : members_->filters) {
        result.verdict = examine(filter, content, result);
        if (!result.verdict.goes_on()) break;
    }
    result.unwanted = unwanted_;
    result.verdicts = verdicts_;
    if (!result.verdict.goes_on() || !content.is_changed()) return result;
    result.message = std::make_unique<Message>(config_.queue.dir, config_.queue.minfree);
    content.write_to(*result.message);
    result.message->write_out();
    return result;
}

void FilterChain::end_message() {
    for (Filter& filter : members_->filters) filter.end_message();
}

std::uint32_t FilterChain::failed() const {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < members_->filters.size(); ++i)
        bits |= std::uint32_t{members_->filters[i].has_failed()} << i;
    return bits;
}

std::vector<std::string> FilterChain::states() const {
    std::vector<std::string> states;
    for (const Filter& filter : members_->filters)
        states.push_back(fmt::format("{}: {}{}", filter.settings().place.to_string(), filter.state(),
                                     filter.last_result().empty() ? "" : "; " + filter.last_result()));
    return states;
}

}  // namespace postoffice
