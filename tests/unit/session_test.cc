// Runs the dialogues in tests/dialogue/*.txt against a Session. Add a file there to add a test; README there
// has the few words of the language.
#include "postoffice/smtp/session.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <map>

#include "../../src/policy/libwrap.h"
#include "../support/session_host.h"
#include "postoffice/base/idn.h"
#include "postoffice/base/text.h"
#include "postoffice/config/options.h"
#include "postoffice/config/values.h"

namespace postoffice {
namespace {

namespace fs = std::filesystem;
using testing_support::Accepted;
using testing_support::SessionHost;

constexpr int patience = 20'000;  // milliseconds: only a broken session lets a test wait that long

// "\r", "\n", "\\", "\xNN".
std::string unescaped(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            result += text[i];
            continue;
        }
        const char letter = text[++i];
        if (letter == 'x') {
            result += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
            i += 2;
        } else {
            result += letter == 'r' ? '\r' : letter == 'n' ? '\n' : letter;
        }
    }
    return result;
}

// "x*40" in braces is x forty times: for long lines.
std::string expanded(std::string text) {
    for (std::size_t open; (open = text.find("{")) != std::string::npos;) {
        const auto star = text.find('*', open), close = text.find('}', open);
        if (star == std::string::npos || star > close) break;
        std::string many;
        for (int n = std::stoi(text.substr(star + 1, close - star - 1)); n > 0; --n)
            many += text.substr(open + 1, star - open - 1);
        text.replace(open, close - open + 1, many);
    }
    return text;
}

// `pattern`, in which '*' stands for anything, matches a beginning of `text`.
bool matches(std::string_view pattern, std::string_view text) {
    const auto star = pattern.find('*');
    if (text.substr(0, std::min(star, pattern.size())) != pattern.substr(0, star)) return false;
    if (star == std::string_view::npos) return true;
    for (std::size_t i = star; i <= text.size(); ++i)
        if (matches(pattern.substr(star + 1), text.substr(i))) return true;
    return false;
}

std::string end_name(SessionEnd end) {
    return end == SessionEnd::clean ? "clean" : end == SessionEnd::parked ? "parked" : "unclean";
}

class Runner {
  public:
    explicit Runner(const fs::path& file) : file_(file) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            throw std::runtime_error("socketpair");
        client_ = Fd(ends[0]);
        connection_.emplace(Fd(ends[1]));
        state_.client_address.assign_cut("192.0.2.7");
    }
    ~Runner() {
        client_.reset();
        if (session_.valid()) session_.wait();
    }

    void run() {
        std::ifstream stream(file_);
        ASSERT_TRUE(stream) << file_;
        for (std::string line; std::getline(stream, line);) {
            ++line_number_;
            SCOPED_TRACE(file_.string() + ":" + std::to_string(line_number_));
            if (line.empty() || line.front() == '#') continue;
            const auto colon = line.find(':');
            ASSERT_NE(colon, std::string::npos) << "no such word";
            const std::string word = line.substr(0, colon);
            const std::string value = expanded(line.substr(std::min(line.size(), colon + 2)));
            if (word != "C") send_pending();
            step(word, value);
            if (::testing::Test::HasFatalFailure() || ::testing::Test::IsSkipped()) return;
        }
        send_pending();
        if (session_.valid()) hang_up();
        EXPECT_FALSE(host_.acceptor.take()) << "a message was accepted that the dialogue does not mention";
    }

  private:
    void step(const std::string& word, const std::string& value) {
        if (word == "C")
            pending_ += unescaped(value) + "\r\n";
        else if (word == "c")
            send(unescaped(value));
        else if (word == "S")
            expect_line(value);
        else if (word == "S*")
            skip_to_line(value);
        else if (word == "end")
            expect_end(value);
        else if (word == "close")
            hang_up();
        else if (word == "accepted")
            expect_accepted(value);
        else if (word == "text")
            expect_text(unescaped(value));
        else if (word == "notices")
            expect_notices(value);
        else if (word == "acceptor")
            host_.acceptor.answer_next({std::stoi(value), value.substr(4, 5), value.substr(10)});
        else
            set_up(word, value);
    }

    // Before the first S or C.
    void set_up(const std::string& word, const std::string& value) {
        Config& config = host_.config;
        if (word == "client")
            state_.client_address.assign_cut(value == "stdin" ? "" : value);
        else if (word == "phase")
            state_.phase = phases.at(value);
        else if (word == "park")
            park_after_ = Milliseconds(std::stoi(value));
        else if (word == "size")
            config.limits.size = std::stoull(value);
        else if (word == "minfree")
            config.queue.minfree = std::stoull(value);
        else if (word == "hops")
            config.limits.hops = static_cast<unsigned>(std::stoul(value));
        else if (word == "recipients")
            config.limits.recipients = static_cast<unsigned>(std::stoul(value));
        else if (word == "timeout")
            config.limits.timeout = Seconds(std::stoi(value));
        else if (word == "trusted")
            EXPECT_EQ(add_host(config.access.trusted, value), "");
        else if (word == "relay")
            config.access.relay = true;
        else if (word == "relaxed-order")
            config.smtp.relaxed_order = true;
        else if (word == "idn")
            EXPECT_TRUE(idn_is_available());  // see Dialogues.Run
        else if (word == "etrn")
            EXPECT_EQ(add_host(config.smtp.etrn, value), "");
        else if (word == "bare-newline")
            config.smtp.bare_newline = value == "reject"   ? BareNewline::reject
                                       : value == "accept" ? BareNewline::accept
                                                           : BareNewline::normalise;
        else if (word == "option")
            set_option(value);
        else if (word == "hosts.deny")
            deny(value);
        else if (word == "user")
            state_.user.assign_cut(value);
        else if (word == "submission")
            state_.submission = 1;
        else if (word == "broken-spool")
            config.queue.dir += "/missing";
        else
            FAIL() << "no such word: " << word;
    }

    void deny(const std::string& rule) {
        if (!has_libwrap) GTEST_SKIP() << "BUILT WITHOUT LIBWRAP: hosts.deny is not asked";
        host_.folder.write("hosts.deny", rule + "\n");
    }
    // "name=value", as in postoffice.cf.
    void set_option(const std::string& text) {
        const auto equals = text.find('=');
        const Option* option = find_option(text.substr(0, equals));
        ASSERT_NE(option, nullptr) << text;
        ASSERT_EQ(option->set(host_.config, text.substr(equals + 1)), "") << text;
    }

    void start() {
        if (session_.valid()) return;
        session_ = std::async(std::launch::async, [this] {
            Session session(host_.services(), *connection_, state_, park_after_);
            const auto end = session.serve();
            was_cut_off_ = session.was_cut_off();
            if (end != SessionEnd::parked) connection_.reset();
            return end;
        });
    }

    void send_pending() {
        if (!pending_.empty()) send(pending_);
        pending_.clear();
    }
    void send(const std::string& text) {
        if (is_talking_) start();
        std::string_view rest = text;
        while (!rest.empty()) {
            const auto n = ::send(client_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
            if (n <= 0) return;  // the session closed: what it said before tells more
            rest.remove_prefix(static_cast<std::size_t>(n));
        }
    }

    // nullopt at end of file or when nothing comes.
    std::optional<std::string> read_line() {
        is_talking_ = true;
        start();
        for (;;) {
            if (const auto end = received_.find("\r\n"); end != std::string::npos) {
                std::string line = received_.substr(0, end);
                received_.erase(0, end + 2);
                return line;
            }
            pollfd waiting{client_.get(), POLLIN, 0};
            char block[4096];
            if (::poll(&waiting, 1, patience) <= 0) return std::nullopt;
            const auto n = ::read(client_.get(), block, sizeof block);
            if (n <= 0) return std::nullopt;
            received_.append(block, static_cast<std::size_t>(n));
        }
    }
    void expect_line(const std::string& pattern) {
        const auto line = read_line();
        ASSERT_TRUE(line) << "no reply, expected " << pattern;
        ASSERT_TRUE(matches(pattern, *line)) << "got      " << *line << "\nexpected " << pattern;
    }
    void skip_to_line(const std::string& pattern) {
        for (;;) {
            const auto line = read_line();
            ASSERT_TRUE(line) << "no reply like " << pattern;
            if (matches(pattern, *line)) return;
        }
    }

    void expect_end(const std::string& expected) {
        start();
        ASSERT_EQ(session_.wait_for(std::chrono::milliseconds(patience)), std::future_status::ready);
        EXPECT_EQ(end_name(session_.get()) + (was_cut_off_ ? ", cut off" : ""), expected);
        if (expected == "parked") return;
        EXPECT_EQ(read_rest(), "") << "said before it ended";
    }
    std::string read_rest() {
        std::string rest = received_;
        char block[4096];
        for (ssize_t n; (n = ::read(client_.get(), block, sizeof block)) > 0;)
            rest.append(block, static_cast<std::size_t>(n));
        return rest;
    }
    void hang_up() {
        ::shutdown(client_.get(), SHUT_WR);
        start();
        if (session_.wait_for(std::chrono::milliseconds(patience)) != std::future_status::ready)
            FAIL() << "the session goes on after its client left";
    }

    // "<sender> recipient recipient", or "nothing".
    void expect_accepted(const std::string& expected) {
        const auto accepted = host_.acceptor.take();
        last_accepted_ = accepted.value_or(Accepted());
        std::string actual = "nothing";
        if (accepted) {
            actual = "<" + accepted->envelope.sender.to_string() + ">";
            for (const auto& recipient : accepted->envelope.recipients) {
                const bool is_here = recipient.destination.is_mailbox();
                const std::string user = mailbox_user_of(recipient.destination);
                EXPECT_TRUE(!is_here || user == host_.me) << user;
                actual += " " + (is_here ? "me" : recipient.destination.address.to_string());
                if (recipient.sender) actual += "(from " + recipient.sender->to_string() + ")";
            }
            if (accepted->envelope.parameters.body == Body::eight_bit_mime) actual += " 8bit";
            if (accepted->envelope.parameters.smtputf8) actual += " utf8";
        }
        EXPECT_EQ(actual, expected);
    }
    // "RET ENVID; recipient NOTIFY ORCPT; …; expanded alias", of the last accepted message; "-" where nothing
    // was given.
    void expect_notices(const std::string& expected) {
        const auto or_hyphen = [](std::string_view text) { return std::string(text.empty() ? "-" : text); };
        const Envelope& envelope = last_accepted_.envelope;
        std::string actual = or_hyphen(return_part_text(envelope.parameters.return_part)) + " " +
                             or_hyphen(envelope.parameters.envelope_id);
        for (const auto& recipient : envelope.recipients)
            actual += "; " + recipient.original.local_part() + " " +
                      or_hyphen(recipient.wishes.notify.text()) + " " +
                      or_hyphen(recipient.wishes.original_recipient);
        if (const auto at = actual.find(";" + host_.me + "@"); at != std::string::npos)
            actual.replace(at + 1, host_.me.size(), "me");
        for (const auto& recipient : envelope.expanded)
            actual += (recipient.sender ? "; list " : "; expanded ") + recipient.original.local_part();
        EXPECT_EQ(actual, expected);
    }
    // A part of the last accepted message.
    void expect_text(const std::string& part) {
        EXPECT_NE(last_accepted_.text.find(part), std::string::npos) << "not in " << last_accepted_.text;
    }

    const std::map<std::string, SessionState::Phase> phases = {{"arrived", SessionState::Phase::arrived},
                                                               {"greeted", SessionState::Phase::greeted},
                                                               {"refused", SessionState::Phase::refused},
                                                               {"timed_out", SessionState::Phase::timed_out}};
    fs::path file_;
    int line_number_ = 0;
    SessionHost host_;
    SessionState state_;
    Milliseconds park_after_{0};
    std::optional<Connection> connection_;
    Fd client_;
    std::future<SessionEnd> session_;
    bool is_talking_ = false;
    bool was_cut_off_ = false;
    std::string pending_;   // C lines that leave together
    std::string received_;  // not yet compared
    Accepted last_accepted_;
};

std::vector<fs::path> dialogues() {
    std::vector<fs::path> files;
    const fs::path folder = fs::path(__FILE__).parent_path() / "../dialogue";
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().extension() == ".txt") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

class Dialogues : public testing::TestWithParam<fs::path> {};

TEST_P(Dialogues, Run) {
    std::string first_line;
    std::getline(std::ifstream(GetParam()) >> std::ws, first_line);
    if (first_line == "idn:" && !idn_is_available()) GTEST_SKIP() << "NEEDS libidn2";
    Runner(GetParam()).run();
}

INSTANTIATE_TEST_SUITE_P(Session, Dialogues, testing::ValuesIn(dialogues()), [](const auto& parameter) {
    std::string name = parameter.param.stem().string();
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

}  // namespace
}  // namespace postoffice
