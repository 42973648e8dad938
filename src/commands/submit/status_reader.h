// sendmail -odi and -v: hears from the server what becomes of a message that was submitted. Only for a
// bounded time: the message is on disk and the server's business, so no caller needs to wait for a slow host.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/mail/address.h"
#include "postoffice/queue/delivery_status.h"

namespace postoffice {

class StatusReader {
  public:
    /// `fifo`: of make_status_fifo(), after the server was told. `hostname`: the server may know another one,
    /// and speak of the recipients here under that.
    StatusReader(Fd fifo, const std::vector<Address>& recipients, const std::string& hostname);

    /// Until there is nothing more to hear, or the deadline. `on_line`: called with each line of a dialogue.
    void wait(const Deadline& deadline, const std::function<void(const std::string&)>& on_line);

    /// For people, one line for each recipient: "bob@b.test: delivered: 250 2.0.0 OK (mx.b.test
    /// [192.0.2.2])".
    std::vector<std::string> summary() const;
    /// The lines of those that failed for good.
    std::vector<std::string> failures() const;
    /// 0; or, if any failed for good, 67 for an address that is unknown, 68 for a domain without mail, or 69.
    int exit_code() const;

  private:
    using Outcome = DeliveryResult::Outcome;
    struct State {
        std::string recipient;
        bool is_known = false;
        StatusLine last{};  ///< the worst of what was heard, since one address may lead to several places
    };
    bool read_lines(const std::function<void(const std::string&)>& on_line);
    void handle(const StatusLine& event);
    std::string text_of(const State& state) const;

    Fd fifo_;
    std::string rest_;  ///< of what was read: a line that is not complete
    std::vector<State> states_;
    std::map<std::string, std::size_t, std::less<>> places_;  ///< of the recipients in states_
    bool has_ended_ = false;
};

}  // namespace postoffice
