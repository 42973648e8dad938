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

/// Answers that the filter may have to write before this side reads one: no more than fit in its socket,
/// which it could not write while this side writes.
constexpr std::size_t most_unheard = 64;

bool is_about_client(Stage stage) {
    return stage == Stage::connect || stage == Stage::helo;
}

}  // namespace

std::string_view Filter::state() const {
    if (has_failed_) return "failed";
    if (accepts_session_) return "accepts the client";
    if (client_refusal_ || helo_refusal_) return "refuses the client";
    return connection_ == nullptr ? "not connected" : "connected";
}

/// What is new of the client and the sender are one write, and one wait.
FilterVerdict Filter::ask_sender(const Resolver& resolver, const ClientFacts& client,
                                 std::string_view sender) try {
    if (helo_refusal_ && client.introduction != introduction_) helo_refusal_.reset();
    FilterVerdict verdict = standing_verdict();
    if (!verdict.goes_on() || !is_for_it_ || has_failed_ || accepts_session_) return verdict;
    stage_ = Stage::connect;
    if (connection_ == nullptr)
        if (auto answer = ask_on_kept_connection(client, sender)) return *std::move(answer);
    const bool is_new = connection_ == nullptr;
    if (is_new) connection_ = std::make_unique<FilterConnection>(settings_, resolver);
    if (is_new || client.introduction != introduction_) pose_client(client, is_new);
    pose(Stage::mail, sender);
    return hear();
} catch (const std::exception& error) {
    return fail(error);
}

/// A connection that the session of another client has left is as good as a new one, if the filter still has
/// it and answers to the next client.
std::optional<FilterVerdict> Filter::ask_on_kept_connection(const ClientFacts& client,
                                                            std::string_view sender) try {
    if (kept_ == nullptr || kept_->connection == nullptr) return std::nullopt;
    connection_ = std::move(kept_->connection);
    if (!connection_->is_quiet()) return connection_.reset(), std::nullopt;
    pose_client(client, true);
    pose(Stage::mail, sender);
    stage_ = Stage::connect;
    return hear();
} catch (const std::exception&) {
    if (stage_ != Stage::connect) throw;
    kept_->is_refused = true;
    drop_connection();
    return std::nullopt;
}

void Filter::pose_client(const ClientFacts& client, bool is_new) {
    if (is_new) pose(Stage::connect, client.connection);
    introduction_ = client.introduction;
    std::string data;
    append_text(data, introduction_.helo);
    if (!introduction_.helo.empty()) pose(Stage::helo, data);
}

/// libmilter takes another client on a connection only if its filter has answered the last end of a message
/// with "continue".
void Filter::close() noexcept {
    if (connection_ == nullptr) return;
    if (kept_ != nullptr && !kept_->is_refused && may_be_kept_ && connection_->end_client())
        kept_->connection = std::move(connection_);
    else
        connection_->quit();
    drop_connection();
}

void Filter::drop_connection() noexcept {
    connection_.reset();
    unheard_.clear();
}

void Filter::begin_message(bool is_for_it) {
    is_for_it_ = is_for_it;
    knows_it_ = is_done_ = false;
    skipped_.reset();
    last_macros_.reset();
}

FilterVerdict Filter::verdict_of_failure() const {
    if (!has_failed_ || !is_for_it_) return {};
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

FilterVerdict Filter::fail(const std::exception& error) {
    log_event(macros_.get("i"), "filter-failed",
              {{"filter", settings_.place.to_string()},
               {"stage", row_of(stage_).name},
               {"reason", in_plain_words(error)},
               {"action", to_string(settings_.on_failure)}});
    has_failed_ = true;
    drop_connection();
    return verdict_of_failure();
}

FilterVerdict Filter::standing_verdict() const {
    if (!is_for_it_ || has_failed_) return verdict_of_failure();
    const auto& refusal = client_refusal_ ? client_refusal_ : helo_refusal_;
    return refusal ? FilterVerdict{Kind::refuse, *refusal, settings_.place.to_string()} : FilterVerdict();
}

FilterVerdict Filter::ask(Stage stage, std::string_view data) try {
    if (has_failed_ && stage != Stage::unknown) return verdict_of_failure();
    if (connection_ == nullptr || accepts_session_) return {};
    if (!is_about_client(stage) && stage != Stage::unknown && !takes_part()) return {};
    pose(stage, data);
    return hear();
} catch (const std::exception& error) {
    return fail(error);
}

/// Sends a question. Macros go with each, but once for all fields and all parts of a body.
void Filter::pose(Stage stage, std::string_view data) {
    stage_ = stage;
    if (stage == Stage::mail) knows_it_ = true;
    may_be_kept_ = false;
    if (!connection_->wants(stage) || skipped_ == stage) return;
    if (unheard_.empty()) connection_->expect_no_more();
    const bool is_repeated = last_macros_ == stage && (stage == Stage::header || stage == Stage::body);
    if (!is_repeated) connection_->send_macros(stage, macros_);
    last_macros_ = stage;
    connection_->send(stage, data);
    if (connection_->answers(stage)) unheard_.push_back(stage);
}

/// Waits for the answers to all questions, until one of them does not go on. What the filter says to the rest
/// would be of no use, and filters differ in whether they say it: then the connection ends.
FilterVerdict Filter::hear(MessageEdit* edit) {
    FilterVerdict verdict;
    bool is_over = false;
    while (!unheard_.empty() && !is_over) {
        stage_ = unheard_.front();
        unheard_.pop_front();
        verdict = stage_ == Stage::end_of_message ? hear_end(*edit) : hear_answer();
        is_over = !verdict.goes_on() || (is_about_client(stage_) ? accepts_session_ : is_done_);
    }
    if (unheard_.empty()) {
        if (is_over) connection_->expect_no_more();
        return verdict;
    }
    connection_->quit();
    drop_connection();
    return verdict;
}

FilterVerdict Filter::hear_answer() {
    AnswerTime time(settings_.answer_time);
    return verdict_of(stage_, connection_->next_answer(time));
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

/// What cannot be stored is no fault of the filter; what else it has to say of this message is not read.
void Filter::take(MessageEdit& edit, const Answer& answer) try {
    edit.take(answer);
} catch (const std::system_error&) {
    drop_connection();
    throw;
}

FilterVerdict Filter::hear_end(MessageEdit& edit) {
    AnswerTime time(settings_.message_time);
    for (;;) {
        const Answer answer = connection_->next_answer(time);
        if (is_change(answer.kind)) {
            take(edit, answer);
            continue;
        }
        const FilterVerdict verdict = verdict_of(Stage::end_of_message, answer);
        may_be_kept_ = answer.kind == answer::go_on;
        knows_it_ = false;
        is_done_ = true;
        return verdict;
    }
}

FilterVerdict Filter::pose_header(const MessageContent& content) {
    const bool leading_space = connection_->has(flag::leading_space);
    for (const ContentField& field : content.fields()) {
        if (field.is_hidden) continue;
        std::string data;
        append_text(data, field.name);
        append_text(data, field.value(leading_space));
        pose(Stage::header, data);
        if (unheard_.size() < most_unheard) continue;
        FilterVerdict verdict = hear();
        if (!verdict.goes_on() || !takes_part()) return verdict;
    }
    pose(Stage::end_of_header, "");
    return {};
}

/// The filter has said to one part whether it wants another one.
FilterVerdict Filter::pose_body(const MessageContent& content) {
    FilterVerdict verdict;
    if (!connection_->wants(Stage::body)) return verdict;
    content.read_body([&](std::string_view chunk) {
        if (last_macros_ == Stage::body) verdict = hear();
        if (!verdict.goes_on() || !takes_part() || skipped_ == Stage::body) return false;
        pose(Stage::body, chunk);
        return true;
    });
    return verdict;
}

/// A small message is one write, and one wait for all answers.
FilterVerdict Filter::examine(const MessageContent& content, MessageEdit& edit) {
    try {
        FilterVerdict verdict = pose_header(content);
        if (!verdict.goes_on() || !takes_part()) return verdict;
        verdict = pose_body(content);
        if (!verdict.goes_on() || !takes_part()) return verdict;
        pose(Stage::end_of_message, "");
        return hear(&edit);
    } catch (const std::exception& error) {
        if (connection_ == nullptr) throw;
        return fail(error);
    }
}

void Filter::end_message() {
    if (connection_ != nullptr && knows_it_) try {
            connection_->abort();
            may_be_kept_ = false;
        } catch (const std::exception& error) {
            (void)fail(error);
        }
    begin_message(false);
}

}  // namespace postoffice::milter
