// One filter of a session: the questions that it is asked, and what its failure means.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "filter_connection.h"
#include "message_edit.h"
#include "postoffice/milter/filter_verdict.h"
#include "postoffice/milter/kept_connections.h"

namespace postoffice::milter {

class Filter {
  public:
    /// Keeps the references. `has_failed`: earlier in this session, and stays so. `kept`: the place of the
    /// connection between sessions; null: there is none.
    Filter(const FilterSettings& settings, const FilterMacros& macros, bool has_failed, KeptConnection* kept)
        : settings_(settings), macros_(macros), kept_(kept), has_failed_(has_failed) {}

    const FilterSettings& settings() const { return settings_; }
    bool has_failed() const { return has_failed_; }
    /// "connected", "failed" and so on, for people.
    std::string_view state() const;
    /// What it made of the last message, and in which time, for people; "" if it has seen none.
    const std::string& last_result() const { return last_result_; }
    void note_result(std::string result) { last_result_ = std::move(result); }
    /// The session is over.
    void close() noexcept;

    struct Introduction {
        std::string helo;
        std::string tls;
        bool operator==(const Introduction&) const = default;
    };
    struct ClientFacts {
        std::string connection;  ///< the data of the question connect
        Introduction introduction;
    };
    /// A message begins that passes this filter, or not.
    void begin_message(bool is_for_it);
    /// MAIL. Connects, if that was not done, and says what is new of the client, too.
    FilterVerdict ask_sender(const Resolver& resolver, const ClientFacts& client, std::string_view sender);
    /// Asks, if the filter wants to hear of it. A verdict against the client is kept in mind: one at connect
    /// for the session, one at helo until the next helo.
    FilterVerdict ask(Stage stage, std::string_view data);
    /// What its failure means for the message at hand; to go on if it has not failed.
    FilterVerdict verdict_of_failure() const;
    /// The message at hand goes on, and this filter hears no more of it.
    void leave_message() { is_done_ = true; }
    /// The recipient was refused here: the filter is told if it wants to know.
    void tell_refused_recipient(std::string_view data);
    /// All of the message. `edit`: gets its changes, which count if the verdict is to go on. Throws
    /// std::system_error if they cannot be stored.
    FilterVerdict examine(const MessageContent& content, MessageEdit& edit);
    /// It takes part in the message at hand.
    bool takes_part() const { return connection_ != nullptr && is_for_it_ && !is_done_ && !accepts_session_; }
    bool has(std::uint32_t flag) const { return connection_ != nullptr && connection_->has(flag); }
    /// The message at hand is over; the filter hears of it if it does not know.
    void end_message();

  private:
    FilterVerdict standing_verdict() const;
    std::optional<FilterVerdict> ask_on_kept_connection(const ClientFacts& client, std::string_view sender);
    void pose_client(const ClientFacts& client, bool is_new);
    void drop_connection() noexcept;
    FilterVerdict fail(const std::exception& error);
    void pose(Stage stage, std::string_view data);
    FilterVerdict pose_header(const MessageContent& content);
    FilterVerdict pose_body(const MessageContent& content);
    FilterVerdict hear(MessageEdit* edit = nullptr);
    FilterVerdict hear_answer();
    FilterVerdict hear_end(MessageEdit& edit);
    FilterVerdict verdict_of(Stage stage, const Answer& answer);
    FilterVerdict refusal(Stage stage, Reply reply);
    void take(MessageEdit& edit, const Answer& answer);

    const FilterSettings& settings_;
    const FilterMacros& macros_;
    KeptConnection* kept_;
    std::unique_ptr<FilterConnection> connection_;
    bool may_be_kept_ = false;  ///< the filter has gone on with the end of a message, and heard nothing since
    std::deque<Stage> unheard_;     ///< of questions whose answers are still to come
    Stage stage_ = Stage::connect;  ///< at hand, for the log
    bool has_failed_;
    std::string last_result_;
    bool accepts_session_ = false;
    std::optional<Reply> client_refusal_;
    std::optional<Reply> helo_refusal_;
    Introduction introduction_;
    bool is_for_it_ = false;        ///< the message at hand
    bool knows_it_ = false;         ///< it was told of the message, and not of its end
    bool is_done_ = false;          ///< it wants to hear no more of the message
    std::optional<Stage> skipped_;  ///< it wants no more of this stage of the message
    std::optional<Stage> last_macros_;
};

}  // namespace postoffice::milter
