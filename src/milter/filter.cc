#include "filter.h"

#include "filter_reply.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"

namespace postoffice::milter {
namespace {

using Kind = FilterVerdict::Kind;

const Reply refused{550, "5.7.1", "Refused by a filter"};
const Reply refused_for_now{451, "4.7.1", "Refused by a filter for now; please try again later"};
const Reply unavailable{451, "4.7.1", "A filter does not work now; please try again later"};
const Reply unavailable_for_good{550, "5.7.1", "A filter does not work"};
const Reply closing{421, "4.7.0", "Closing connection, as a filter wants"};

bool is_about_client(Stage stage) {
    return stage == Stage::connect || stage == Stage::helo;
}

}  // namespace

std::string_view Filter::state() const {
    if (has_failed_) return "failed";
    if (connection_ == nullptr) return "not connected";
    if (accepts_session_) return "accepts the client";
    if (client_refusal_ || helo_refusal_) return "refuses the client";
    return "connected";
}

void Filter::meet(const Resolver& resolver, std::string_view client, const Introduction& introduction) {
    if (!is_for_it_ || has_failed_) return;
    try {
        if (connection_ == nullptr) {
            connection_ = std::make_unique<FilterConnection>(settings_, resolver);
            introduction_ = {};
            (void)ask(Stage::connect, client);
        }
    } catch (const std::exception& error) {
        (void)fail(Stage::connect, error);
    }
    if (introduction == introduction_ || client_refusal_) return;
    introduction_ = introduction;
    helo_refusal_.reset();
    std::string data;
    append_text(data, introduction.helo);
    if (!introduction.helo.empty()) (void)ask(Stage::helo, data);
}

void Filter::close() noexcept {
    if (connection_ != nullptr) connection_->quit();
    connection_.reset();
}

void Filter::begin_message(bool is_for_it) {
    is_for_it_ = is_for_it;
    knows_it_ = is_done_ = false;
    skipped_.reset();
    last_macros_.reset();
}

FilterVerdict Filter::failure_verdict() const {
    switch (settings_.on_failure) {
        case FilterSettings::OnFailure::tempfail:
            return {Kind::refuse, unavailable, settings_.place.to_string()};
        case FilterSettings::OnFailure::reject:
            return {Kind::refuse, unavailable_for_good, settings_.place.to_string()};
        case FilterSettings::OnFailure::accept:
            break;
    }
    return {};
}

FilterVerdict Filter::fail(Stage stage, const std::exception& error) {
    log_event(macros_.get("i"), "filter-failed",
              {{"filter", settings_.place.to_string()},
               {"stage", row_of(stage).name},
               {"reason", in_plain_words(error)},
               {"action", to_string(settings_.on_failure)}});
    has_failed_ = true;
    connection_.reset();
    return failure_verdict();
}

FilterVerdict Filter::standing_verdict() const {
    if (!is_for_it_) return {};
    if (has_failed_) return failure_verdict();
    const auto& refusal = client_refusal_ ? client_refusal_ : helo_refusal_;
    return refusal ? FilterVerdict{Kind::refuse, *refusal, settings_.place.to_string()} : FilterVerdict();
}

FilterVerdict Filter::ask(Stage stage, std::string_view data) try {
    if (connection_ == nullptr || accepts_session_) return {};
    if (!is_about_client(stage) && stage != Stage::unknown && !takes_part()) return {};
    return put(stage, data);
} catch (const std::exception& error) {
    return fail(stage, error);
}

/// Macros go with each question, but once for all fields and all parts of a body.
FilterVerdict Filter::put(Stage stage, std::string_view data) {
    if (stage == Stage::mail) knows_it_ = true;
    if (!connection_->wants(stage) || skipped_ == stage) return {};
    const bool is_repeated = last_macros_ == stage && (stage == Stage::header || stage == Stage::body);
    if (!is_repeated) connection_->send_macros(stage, macros_);
    last_macros_ = stage;
    connection_->send(stage, data);
    if (!connection_->answers(stage)) return {};
    AnswerTime time(settings_.answer_time);
    return verdict_of(stage, connection_->next_answer(time));
}

FilterVerdict Filter::refusal(Stage stage, Reply reply) {
    if (is_about_client(stage)) (stage == Stage::connect ? client_refusal_ : helo_refusal_) = reply;
    return {Kind::refuse, std::move(reply), settings_.place.to_string()};
}

FilterVerdict Filter::verdict_of(Stage stage, const Answer& answer) {
    switch (answer.kind) {
        case answer::go_on:
            return {};
        case answer::accept:
            (is_about_client(stage) ? accepts_session_ : is_done_) = true;
            return {};
        case answer::skip:
            skipped_ = stage;
            return {};
        case answer::discard:
            if (is_about_client(stage) || stage == Stage::unknown) break;
            is_done_ = true;
            return {Kind::discard, {}, settings_.place.to_string()};
        case answer::reject:
            return refusal(stage, refused);
        case answer::tempfail:
            return refusal(stage, refused_for_now);
        case answer::shutdown:
            return refusal(stage, closing);
        case answer::reply_code:
            return refusal(stage, parse_filter_reply(answer.value));
        default:
            break;
    }
    throw FormatError("an answer that is none to the question");
}

void Filter::tell_refused_recipient(std::string_view data) {
    if (takes_part() && has(flag::refused_recipients)) (void)ask(Stage::recipient, data);
}

FilterVerdict Filter::send_body(const MessageContent& content) {
    FilterVerdict verdict;
    if (!connection_->wants(Stage::body)) return verdict;
    content.read_body([&](std::string_view chunk) {
        verdict = put(Stage::body, chunk);
        return verdict.goes_on() && takes_part() && skipped_ != Stage::body;
    });
    return verdict;
}

/// What cannot be stored is no fault of the filter; what else it has to say of this message is not read.
void Filter::take(MessageEdit& edit, const Answer& answer) try {
    edit.take(answer);
} catch (const std::system_error&) {
    connection_.reset();
    throw;
}

FilterVerdict Filter::end(MessageEdit& edit) {
    connection_->send_macros(Stage::end_of_message, macros_);
    connection_->send(Stage::end_of_message, "");
    AnswerTime time(settings_.message_time);
    for (;;) {
        const Answer answer = connection_->next_answer(time);
        if (is_change(answer.kind)) {
            take(edit, answer);
            continue;
        }
        const FilterVerdict verdict = verdict_of(Stage::end_of_message, answer);
        knows_it_ = false;
        is_done_ = true;
        return verdict;
    }
}

FilterVerdict Filter::examine(const MessageContent& content, MessageEdit& edit) {
    Stage stage = Stage::header;
    try {
        FilterVerdict verdict;
        const bool leading_space = connection_->has(flag::leading_space);
        for (const ContentField& field : content.fields()) {
            if (field.is_hidden || !connection_->wants(stage) || skipped_ == stage) continue;
            std::string data;
            append_text(data, field.name);
            append_text(data, field.value(leading_space));
            verdict = put(stage, data);
            if (!verdict.goes_on() || !takes_part()) return verdict;
        }
        stage = Stage::end_of_header;
        verdict = put(stage, "");
        if (!verdict.goes_on() || !takes_part()) return verdict;
        stage = Stage::body;
        verdict = send_body(content);
        if (!verdict.goes_on() || !takes_part()) return verdict;
        stage = Stage::end_of_message;
        return end(edit);
    } catch (const std::exception& error) {
        if (connection_ == nullptr) throw;
        return fail(stage, error);
    }
}

void Filter::end_message() {
    if (connection_ != nullptr && knows_it_) try {
            connection_->abort();
        } catch (const std::exception& error) {
            (void)fail(Stage::end_of_message, error);
        }
    begin_message(false);
}

}  // namespace postoffice::milter
