#include "postoffice/commands/line/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "argument_parser.h"
#include "postoffice/base/text.h"

namespace postoffice {

void refuse(std::string_view text, int exit_code) {
    throw Refused{{exit_code, printable(text)}};
}

ArgumentParser::ArgumentParser(const std::vector<std::string>& arguments,
                               bool (*is_config_option)(std::string_view))
    : arguments_(arguments), is_config_option_(is_config_option) {}

void ArgumentParser::parse() {
    choose_by_name();
    read_options();
    for (; position_ < arguments_.size(); ++position_) line_.words.push_back(clean(arguments_[position_]));
    settle_word();
    settle_mode();
    settle_queue();
    settle_return();
    refuse_needless_words();
}

void ArgumentParser::choose_by_name() {
    const std::string_view path = arguments_.empty() ? std::string_view("postoffice") : arguments_.front();
    line_.program = printable(path.substr(path.rfind('/') + 1));  // npos + 1 is 0
    const std::string name = to_lower(line_.program);
    sendmail_name_ = false;
    if (name == "postoffice") {
        server_name_ = true;
    } else if (name == "smtpd") {
        server_name_ = true;
        daemon_name_ = true;
        line_.mode = Mode::daemon;
    } else if (name == "pop3d") {
        server_name_ = true;
        line_.mode = Mode::daemon;
        line_.daemon.serve_pop3 = true;
        line_.daemon.serve_smtp = false;
    } else if (name == "mailq") {
        line_.mode = Mode::list_queue;
    } else if (name == "runq") {
        line_.mode = Mode::run_queue;
    } else if (name == "newaliases") {
        line_.mode = Mode::rebuild_aliases;
    } else if (name == "hoststat" || name == "purgestat") {
        line_.mode = Mode::host_status;
    } else {
        // Copies and links may have any name: they submit, like sendmail.
        sendmail_name_ = true;
        if (name == "rmail") {
            line_.submission.dot_ends = false;
            line_.submission.error_mode = ErrorMode::mail;
            line_.submission.error_mode_given = true;
        }
    }
}

void ArgumentParser::read_options() {
    // The first word that is no option ends them; there is no looking for options among recipients.
    while (position_ < arguments_.size()) {
        const std::string_view word = arguments_[position_];
        if (word.size() < 2 || word[0] != '-') return;
        ++position_;
        if (word == "--") {
            options_were_ended_ = true;
            return;
        }
        if (!read_long_option(word)) read_cluster(word.substr(1));
    }
}

bool ArgumentParser::read_long_option(std::string_view word) {
    if (word == "-tls-on-connect") refuse("-tls-on-connect: not supported");
    if (!word.starts_with("--")) return false;
    if (word == "--help") {
        set_mode(Mode::show_help);
    } else if (word == "--version") {
        set_mode(Mode::show_version);
    } else if (word == "--json") {
        line_.json = true;
    } else {
        refuse(fmt::format("unknown option {}", printable(word)));
    }
    return true;
}

void ArgumentParser::read_cluster(std::string_view letters) {
    while (!letters.empty()) {
        const char letter = letters[0];
        letters.remove_prefix(1);
        const ShortOption* option = find_short_option(letter);
        if (option == nullptr)
            refuse(fmt::format("unknown option -{}", printable(std::string_view(&letter, 1))));
        if (option->value == Value::none) {
            (this->*option->handle)({});
            continue;
        }
        if (option->value == Value::attached_or_next && letters.empty())
            letters = next_value(std::string("-") + letter);
        (this->*option->handle)(letters);
        return;
    }
}

std::string_view ArgumentParser::next_value(std::string_view option) {
    if (position_ >= arguments_.size()) refuse(fmt::format("option {} needs a value", printable(option)));
    return arguments_[position_++];
}

std::string ArgumentParser::clean(std::string_view value) const {
    if (has_control(value))
        refuse(fmt::format("\"{}\": control character in an argument", printable(value)), 65);
    return std::string(value);
}

void ArgumentParser::set_mode(Mode mode) {
    const auto informs = [](Mode m) { return m == Mode::show_help || m == Mode::show_version; };
    if (chosen_ && *chosen_ != mode) {
        if (informs(*chosen_)) return;  // help and version answer whatever else was asked
        if (!informs(mode)) refuse("the options ask for two different modes");
    }
    chosen_ = mode;
}

bool ArgumentParser::lists_queue() const {
    const Mode mode = chosen_.value_or(line_.mode);
    return mode == Mode::list_queue || mode == Mode::count_queue;
}

/// "postoffice status" and the like: the mode of an option, for people.
void ArgumentParser::settle_word() {
    static constexpr std::array<std::pair<std::string_view, Mode>, 5> modes{{
        {"start", Mode::daemon},
        {"stop", Mode::stop},
        {"reload", Mode::reload},
        {"status", Mode::show_status},
        {"check", Mode::check_config},
    }};
    const bool may_be_word = server_name_ && !daemon_name_ && !options_were_ended_ && !line_.words.empty() &&
                             (!chosen_ || *chosen_ == Mode::show_help);
    if (!may_be_word || line_.submission.recipients_from_header) return;
    const auto found = std::find_if(modes.begin(), modes.end(),
                                    [this](const auto& mode) { return mode.first == line_.words.front(); });
    if (found == modes.end()) return;
    line_.words.erase(line_.words.begin());
    set_mode(found->second);
}

/// Words that a mode does not read are options that were misspelt, or recipients of a message that is not
/// there.
void ArgumentParser::refuse_needless_words() const {
    switch (line_.mode) {
        case Mode::serve_stdio:
        case Mode::daemon:
        case Mode::list_queue:
        case Mode::count_queue:
        case Mode::check_config:
        case Mode::show_options:
        case Mode::show_status:
        case Mode::reload:
        case Mode::stop:
            break;
        default:
            return;
    }
    if (!line_.words.empty())
        refuse(fmt::format("\"{}\": there is nothing that this word could mean here",
                           printable(line_.words.front())));
}

void ArgumentParser::settle_mode() {
    if (one_run_) {
        // For callers of dma, "sendmail -bq -t" submits a message and leaves it in the queue.
        const bool submits =
            sendmail_name_ && (line_.submission.recipients_from_header || !line_.words.empty());
        if (submits) line_.submission.queue_only = true;
        set_mode(submits ? Mode::submit : Mode::run_queue);
    }
    settle_queue_mode();
    if (chosen_) line_.mode = *chosen_;
    if (line_.mode == Mode::submit && line_.version_first && line_.words.empty() &&
        !line_.submission.recipients_from_header)
        line_.mode = Mode::show_version;
    const bool informs = line_.mode == Mode::show_help || line_.mode == Mode::show_version;
    if (line_.submission.recipients_from_header && line_.mode != Mode::submit && !informs)
        refuse("-t goes only with submitting a message");
}

void ArgumentParser::settle_queue_mode() {
    if (quarantine_seen_) set_mode(Mode::manage_queue);
    const bool asked = !queue_words_.empty() || queue_sender_;
    if (!asked || lists_queue() || chosen_ == Mode::manage_queue) return;
    if (chosen_ != Mode::daemon) set_mode(Mode::run_queue);
}

void ArgumentParser::settle_queue() {
    for (const std::string& word : queue_words_) {
        const bool inverted = word.starts_with('!');
        const std::string_view text = std::string_view(word).substr(inverted ? 1 : 0);
        const bool has_field =
            !text.empty() && std::string_view("IRSQLG").find(text[0]) != std::string_view::npos;
        if (has_field || (inverted && !lists_queue())) {
            queue_filter(text, inverted);
        } else if (lists_queue()) {
            if (inverted && text.empty()) refuse("-q!: the text to look for is missing");
            if (!text.empty()) line_.queue.filters.push_back({'*', inverted, std::string(text)});
        } else {
            queue_run_kind(text);
        }
    }
    if (line_.mode == Mode::list_queue && count_seen_) line_.queue.count_only = true;
    if (line_.mode == Mode::run_queue && !line_.words.empty())
        refuse("a queue run takes no recipients: the message would not be read");
    if (line_.mode == Mode::run_queue && line_.daemon.queue_interval) {
        line_.mode = Mode::daemon;
        line_.daemon.serve_smtp = daemon_name_;
    }
    if (quarantine_seen_ && line_.queue.filters.empty())
        refuse("-Q needs -qI, -qS or -qR to say which messages");
    if (line_.mode == Mode::manage_queue && !quarantine_seen_ && line_.words.empty())
        refuse("-M needs the ids of queued messages");
}

void ArgumentParser::queue_filter(std::string_view text, bool inverted) {
    const char field = text.empty() ? '\0' : text[0];
    if (!text.empty()) text.remove_prefix(1);
    switch (field) {
        case 'I':
        case 'R':
        case 'S':
            if (text.empty()) refuse(fmt::format("-q{}: the text to look for is missing", field));
            break;
        case 'Q':
        case 'L':
            text = {};
            break;
        case 'G':
            return;  // there is one queue
        default:
            refuse("-q!: must be followed by I, R, S, Q or L");
    }
    line_.queue.filters.push_back({field, inverted, std::string(text)});
}

void ArgumentParser::queue_run_kind(std::string_view text) {
    // Exim's -qq, -qqi, -ql, -qff: kinds of a single run.
    if (text.find_first_not_of("qifl") == std::string_view::npos) {
        if (text.find('f') != std::string_view::npos) line_.queue.ignore_retry_times = true;
        return;
    }
    line_.daemon.queue_interval = parse_queue_interval(text.starts_with('p') ? text.substr(1) : text);
    if (!line_.daemon.queue_interval) refuse(fmt::format("-q{}: not a time such as 15m or 1h30m", text));
}

void ArgumentParser::settle_return() {
    if (return_value_.empty()) return;
    const std::string value = to_lower(return_value_);
    if (value == "full" || value == "hdrs") {
        line_.submission.dsn_return = value;
    } else if (line_.mode == Mode::serve_stdio && server_name_) {
        line_.client.address = return_value_;
    } else {
        refuse(fmt::format("-R {}: must be full or hdrs", return_value_));
    }
}

std::optional<UsageError> apply_caller_rights(CommandLine& line, bool caller_is_root) {
    if (!line.queue_directory.empty() && !caller_is_root)
        return UsageError{77, "-oQ: only root may choose the queue directory"};
    if (!caller_is_root) return std::nullopt;
    if (!line.queue_directory.empty()) line.settings.emplace_back("queue-dir", line.queue_directory);
    line.settings.insert(line.settings.end(), line.root_settings.begin(), line.root_settings.end());
    return std::nullopt;
}

ParsedCommandLine parse_command_line(const std::vector<std::string>& arguments,
                                     bool (*is_config_option)(std::string_view name)) {
    ArgumentParser parser(arguments, is_config_option);
    try {
        parser.parse();
    } catch (const Refused& refused) {
        return {std::move(parser.line()), refused.error};
    }
    return {std::move(parser.line()), std::nullopt};
}

}  // namespace postoffice
