// The connection to one filter: what was agreed on with it, questions and answers.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/config/value_types.h"
#include "postoffice/milter/macros.h"
#include "postoffice/net/connection.h"
#include "postoffice/net/resolver.h"
#include "stages.h"

namespace postoffice::milter {

/// The time in which a whole answer must have come, however many octets or packets it has. A filter that says
/// that it makes progress gets it anew, ten times.
class AnswerTime {
  public:
    explicit AnswerTime(Milliseconds limit) : limit_(limit), deadline_(Deadline::after(limit)) {}
    Deadline deadline() const { return deadline_; }
    /// Throws Timeout if that was done too often.
    void begin_anew();

  private:
    Milliseconds limit_;
    Deadline deadline_;
    int renewals_ = 0;
};

/// All functions throw Timeout, PeerGone, FormatError (not the protocol) and std::system_error; the
/// connection is of no use then.
class FilterConnection {
  public:
    /// Connects, and agrees on what the filter wants.
    FilterConnection(const FilterSettings& settings, const Resolver& resolver);

    /// The filter wants to hear of this stage.
    bool wants(Stage stage) const { return (flags_ & row_of(stage).unwanted) == 0; }
    bool answers(Stage stage) const { return (flags_ & row_of(stage).silent) == 0; }
    bool has(std::uint32_t flag) const { return (flags_ & flag) != 0; }

    /// Sends the macros of a stage that have a value.
    void send_macros(Stage stage, const FilterMacros& macros);
    void send(Stage stage, std::string_view data);
    /// The next answer that is no progress.
    Answer next_answer(AnswerTime& time);
    /// Throws FormatError if the filter has said more than it was asked: which answer belongs to which
    /// question is not clear then.
    void expect_no_more() const;
    /// Ends the message at hand.
    void abort();
    /// Says goodbye, and does not wait.
    void quit() noexcept;
    /// Says that the client has left, and another one may follow; not within a message. False: the filter
    /// does not do that, or has gone. Only of a filter that answers to the next client can be known in time
    /// that it has.
    bool end_client() noexcept;
    /// The filter has not closed it, and says nothing unasked.
    bool is_quiet();

  private:
    void negotiate();
    void take_macro_lists(std::string_view data);
    void write(char kind, std::string_view data);
    bool say_last(char kind) noexcept;
    Packet next_packet(Deadline deadline);

    const Milliseconds answer_time_;
    Connection connection_;
    PacketReader reader_;
    std::uint32_t version_ = 0;
    std::uint32_t flags_ = 0;
    std::array<std::optional<std::string>, 7> macro_lists_;  ///< that the filter has asked for
};

/// The connection to a filter while no session uses it.
struct KeptConnection {
    std::unique_ptr<FilterConnection> connection = {};
    bool is_refused = false;  ///< the filter does not serve one client after the other
};

}  // namespace postoffice::milter
