// The inside of parse_command_line(): the words being read, their meaning so far, and one function for each
// option. short_options.cc has the table of letters, set_options.cc the two languages of -o and -O.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/commands/line/command_line.h"

namespace postoffice {

/// An option or a value that stops the program. Thrown by the handlers, caught in parse_command_line().
struct Refused {
    UsageError error;
};
/// The text may quote what the caller wrote.
[[noreturn]] void refuse(std::string_view text, int exit_code = 64);

class ArgumentParser {
  public:
    ArgumentParser(const std::vector<std::string>& arguments, bool (*is_config_option)(std::string_view));
    /// Throws Refused. line() has what was understood until then.
    void parse();
    CommandLine& line() { return line_; }

    /// How an option takes its value.
    enum class Value { none, attached_or_next, attached_only };
    using Handler = void (ArgumentParser::*)(std::string_view value);
    struct ShortOption {
        char letter;
        Value value;
        Handler handle;
    };
    static const ShortOption* find_short_option(char letter);

  private:
    void choose_by_name();
    void read_options();
    bool read_long_option(std::string_view word);
    void read_cluster(std::string_view letters);
    std::string_view next_value(std::string_view option);
    /// Refuses control characters: no value may reach a header or a log with them.
    std::string clean(std::string_view value) const;

    // short_options.cc, by letter
    void ignore(std::string_view value) { (void)clean(value); }
    void audit(std::string_view);
    void body_type(std::string_view);
    void mode(std::string_view);
    void config_file(std::string_view);
    void count(std::string_view) { count_seen_ = true; }
    void debug_file(std::string_view);
    void debug(std::string_view);
    void error_mode(std::string_view);
    void full_name(std::string_view);
    void protocol(std::string_view);
    void sender(std::string_view);
    void gateway(std::string_view) { line_.submission.gateway = true; }
    void hop_count(std::string_view);
    void aliases_mode(std::string_view) { set_mode(Mode::rebuild_aliases); }
    void ignore_dots(std::string_view) { line_.submission.dot_ends = false; }
    void log_tag(std::string_view);
    void manage(std::string_view);
    void notify(std::string_view);
    void only_changed(std::string_view) { line_.only_changed = true; }
    void long_set_option(std::string_view);
    static std::int64_t time_words(std::string_view name, std::string_view value);
    static std::string deliver_by_words(std::string_view value);
    void set_option(std::string_view);
    void options_in_force(std::string_view);
    void quarantine(std::string_view);
    void queue(std::string_view);
    void return_what(std::string_view);
    void queue_sender(std::string_view);
    void from_header(std::string_view) { line_.submission.recipients_from_header = true; }
    void version_or_envelope_id(std::string_view);
    void verbose(std::string_view) { line_.verbose = true; }
    void traffic_file(std::string_view);
    void unsupported_z(std::string_view);

    // set_options.cc
    void delivery_mode(std::string_view);
    void pretend_client(std::string_view);
    void daemon_port_options(std::string_view);

    void set_mode(Mode mode);

    // After the last option
    void settle_word();
    void settle_mode();
    void refuse_needless_words() const;
    void settle_queue_mode();
    void settle_queue();
    void settle_return();
    void queue_filter(std::string_view text, bool inverted);
    void queue_run_kind(std::string_view text);
    bool lists_queue() const;

    const std::vector<std::string>& arguments_;
    bool (*is_config_option_)(std::string_view);
    std::size_t position_ = 1;
    CommandLine line_;

    bool sendmail_name_ = true;             // sendmail, send-mail, rmail and all other names
    bool daemon_name_ = false;              // smtpd
    bool server_name_ = false;              // postoffice, smtpd
    bool options_were_ended_ = false;       // by "--": what follows is no word of command
    std::optional<Mode> chosen_;            // by -b, -I, -M, -V
    bool one_run_ = false;                  // -bq
    std::vector<std::string> queue_words_;  // values of -q: their meaning depends on the mode
    bool queue_sender_ = false;             // -S
    bool count_seen_ = false;               // -c
    bool debug_seen_ = false;               // -d
    bool quarantine_seen_ = false;          // -Q
    std::string return_value_;              // -R: its meaning depends on the mode
};

/// "15m", "1h30m", "90s"; a number without unit is minutes. nullopt for rubbish and for zero.
std::optional<Seconds> parse_queue_interval(std::string_view text);
/// RFC 3461 section 4: printable, with '+' only before two upper-case hexadecimal digits, never '='.
bool is_xtext(std::string_view text);

}  // namespace postoffice
