// sendmail: a message on standard input becomes a file in drop/. The server need not run; if it does, it is
// triggered, and heard if the caller wants to know what becomes of the message. The only privilege is the
// spool's group, which lets us create that file, and which is given up then.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <system_error>

#include "../domains/mailed_update.h"
#include "caller.h"
#include "failed_submission.h"
#include "local_router.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/log.h"
#include "postoffice/base/output.h"
#include "postoffice/base/privileges.h"
#include "postoffice/base/text.h"
#include "postoffice/base/trigger.h"
#include "postoffice/commands/commands.h"
#include "postoffice/queue/delivery_status.h"
#include "postoffice/queue/drop.h"
#include "postoffice/queue/spool.h"
#include "postoffice/routing/submitter.h"
#include "recipients.h"
#include "scheduling_words.h"
#include "status_reader.h"
#include "submission.h"

namespace postoffice {
namespace {

/// Stops the submission. Thrown by its steps, caught in submit_message().
struct Failure {
    int exit_code;
    std::string text;
};

/// 71 is what callers take for "try again"; 75 must never be said of a message that is not stored, because
/// PHP takes it for success.
Failure storage_failure(const std::system_error& error) {
    const int number = error.code().value();
    int exit_code = 73;
    if (number == ENOSPC || number == EDQUOT || number == ENOMEM || number == EMFILE || number == ENFILE)
        exit_code = 71;
    if (number == ENOENT || number == ENOTDIR) exit_code = 69;
    if (number == EIO) exit_code = 74;
    return {exit_code, fmt::format("the message was not stored: {}", error.what())};
}

void write_line_to_stderr(const std::string& line) {
    write_text(stderr, line + "\n");
}

class SubmitCommand {
  public:
    SubmitCommand(const Config& config, const CommandLine& line)
        : config_(config),
          line_(line),
          drop_directory_(config.queue.dir + "/drop"),
          caller_(identify_caller()),
          recipients_(config.identity.hostname) {}

    /// Returns the exit status. Throws Failure.
    int run();
    void report(const std::string& text) const;
    void log(const std::string& text) const;

  private:
    void choose_sender();
    Submission::Settings submission_settings() const;
    void read_message();
    void report_bad_message(const std::string& why);
    std::optional<int> carry_out_update();
    void check_recipients();
    bool has_utf8_address() const;
    Address as_taken_in(const Address& address) const;
    WireEnvelope drop_envelope() const;
    void store();
    Fd make_fifo(const std::string& id) const;
    void hand_over(const std::string& id, Fd fifo);
    int follow_delivery();
    bool reports_by_mail() const;
    bool mail_report(const std::vector<std::string>& reasons, int undelivered) const;
    void report_refusals(bool mailed, int undelivered) const;
    bool saves_dead_letter() const;
    void explain(const std::string& text) const {
        if (line_.verbose) write_line_to_stderr(printable(text));
    }
    void print(const std::string& text) const { write_line_to_stderr(line_.program + ": " + text); }

    const Config& config_;
    const CommandLine& line_;
    const std::string drop_directory_;
    const Caller caller_;
    Address sender_;
    bool is_own_sender_ = true;
    Recipients recipients_;
    bool eight_bit_ = false;
    bool utf8_header_ = false;
    Scheduling scheduling_;
    std::optional<Message> message_;
    std::optional<StatusReader> status_;
};

int SubmitCommand::run() {
    if (!line_.submission.recipients_from_header && line_.words.empty())
        throw Failure{64, "No recipient is given; -t takes those of the header, and --help shows more"};
    if (line_.submission.input_missing) throw Failure{66, "standard input is closed: there is no message"};
    // The time zone of the caller must not decide what the header says.
    if (std::getenv("TZ") != nullptr && !is_trusted_submitter(config_, caller_.uid)) ::unsetenv("TZ");
    choose_sender();
    const auto scheduling = parse_scheduling(line_.submission, config_.queue.future_release, now_unix());
    if (!scheduling) throw Failure{64, scheduling.problem()};
    scheduling_ = *scheduling;
    for (const std::string& word : line_.words) recipients_.add_word(word);
    message_.emplace(drop_directory_, config_.queue.minfree);
    read_message();
    if (const auto exit_code = carry_out_update()) return *exit_code;
    check_recipients();
    if (!recipients_.accepted().empty()) store();

    Fd undelivered;
    bool mailed = false;
    if (!recipients_.refused().empty()) {
        undelivered = message_->open_for_reading();
        std::vector<std::string> refusals;
        for (const Recipients::Refused& refused : recipients_.refused()) refusals.push_back(refused.text);
        mailed = reports_by_mail() && mail_report(refusals, undelivered.get());
    }
    message_.reset();
    if (has_executable_privileges())
        drop_executable_privileges();  // what follows needs the caller's rights only
    if (!recipients_.refused().empty()) report_refusals(mailed, undelivered.get());
    const int exit_code = status_ ? follow_delivery() : 0;
    return recipients_.exit_code() != 0 ? recipients_.exit_code() : exit_code;
}

void SubmitCommand::choose_sender() {
    const Address own = Address(caller_.login, config_.identity.hostname);
    sender_ = own;
    if (!line_.submission.sender) return;
    const std::string_view text = trim(*line_.submission.sender);
    if (text.empty() || text == "<>") {
        sender_ = Address();
        is_own_sender_ = false;
        return;
    }
    const auto address =
        parse_argument(text.starts_with('@') ? caller_.login + std::string(text) : std::string(text));
    if (!address) throw Failure{65, fmt::format("\"{}\": bad address", printable(text))};
    sender_ = address->qualified(config_.identity.hostname);
    is_own_sender_ = sender_.is_null() || (equals_ignoring_case(sender_.local_part(), caller_.login) &&
                                           config_.identity.is_local_domain(sender_.domain()));
    if (!is_own_sender_ && !config_.submission.untrusted_set_sender &&
        !is_trusted_submitter(config_, caller_.uid))
        throw Failure{77, fmt::format("{} may not set the sender to {}", caller_.login, sender_.to_string())};
}

Submission::Settings SubmitCommand::submission_settings() const {
    Submission::Settings settings;
    settings.header.hostname = config_.identity.hostname;
    const Address from = sender_.is_null() ? Address(caller_.login, config_.identity.hostname) : sender_;
    settings.header.from = from.to_string();
    const char* name = std::getenv("NAME");
    if (line_.submission.full_name) {
        settings.header.full_name = *line_.submission.full_name;
    } else if (name != nullptr && *name != '\0') {
        settings.header.full_name = printable(name);
    } else if (is_own_sender_ || sender_.is_null()) {
        settings.header.full_name = printable(caller_.full_name);
    }
    settings.header.complete = !line_.submission.gateway;
    settings.names_recipients = line_.submission.recipients_from_header;
    settings.dot_ends = line_.submission.dot_ends;
    settings.size = config_.limits.size;
    settings.hops = config_.limits.hops;
    return settings;
}

void SubmitCommand::read_message() {
    try {
        Submission submission(*message_, submission_settings());
        read_submission(STDIN_FILENO, submission);
        if (line_.submission.recipients_from_header) recipients_.add_header(submission.header());
        utf8_header_ = submission.has_utf8_header();
        eight_bit_ = submission.has_eight_bit() || line_.submission.eight_bit.value_or(false);
    } catch (const BadMessage& bad) {
        report_bad_message(bad.what());
        throw Failure{65, bad.what()};
    } catch (const ReadError& failed) {
        throw Failure{failed.error == EBADF ? 66 : 74, failed.what()};
    }
    if (recipients_.empty()) throw Failure{64, "No recipient addresses found in the header"};
}

/// The output of a job of cron has no other way to say that it was lost.
void SubmitCommand::report_bad_message(const std::string& why) {
    if (!reports_by_mail()) return;
    message_.reset();  // its room may be what the report needs
    (void)mail_report({printable(why)}, -1);
}

/// A mailed update is carried out instead of being sent; the exit status. Its owner is answered by mail, too,
/// since a program that sends one may have no reader for what is printed.
std::optional<int> SubmitCommand::carry_out_update() {
    if (line_.submission.gateway || recipients_.accepted().size() != 1 || !recipients_.refused().empty())
        return std::nullopt;
    const Address& to = recipients_.accepted().front();
    const auto outcome = carry_out_mailed_update(config_, caller_.uid, to, *message_);
    if (!outcome) return std::nullopt;
    log_event("", "mailed-update",
              {{"domain", outcome->postmaster.domain()},
               {"uid", std::to_string(caller_.uid)},
               {"result", outcome->done ? "done" : "denied"}});
    trigger(config_.queue.control,
            "drop " + mail_update_answer(drop_directory_, config_.identity.hostname,
                                         Address(caller_.login, config_.identity.hostname), *outcome));
    if (outcome->done) return 0;
    report(outcome->text);
    return 65;
}

void SubmitCommand::check_recipients() {
    if (recipients_.has_local(config_)) {
        LocalRouter local(config_);
        for (const std::string& step : recipients_.check_local(local.router())) explain(step);
    }
    // The reader of drop/ takes no more.
    if (recipients_.accepted().size() > config_.limits.recipients)
        throw Failure{
            65, fmt::format("too many recipients: at most {} for one message", config_.limits.recipients)};
}

/// The server may know this host by another name than we: the resolver may not have told it the whole one
/// when it began. So what is here is left without a domain.
Address SubmitCommand::as_taken_in(const Address& address) const {
    return address.domain() == config_.identity.hostname ? Address(address.local_part(), "") : address;
}

/// A submission to or from such an address has its header in UTF-8 on purpose.
bool SubmitCommand::has_utf8_address() const {
    const auto& accepted = recipients_.accepted();
    return sender_.needs_utf8() || std::any_of(accepted.begin(), accepted.end(),
                                               [](const Address& address) { return address.needs_utf8(); });
}

WireEnvelope SubmitCommand::drop_envelope() const {
    WireEnvelope envelope{.sender = as_taken_in(sender_),
                          .handover = {line_.submission.protocol, line_.submission.from_host}};
    MailParameters& parameters = envelope.parameters;
    parameters.body = eight_bit_ ? Body::eight_bit_mime : Body::seven_bit;
    parameters.smtputf8 = utf8_header_ && line_.submission.smtputf8.value_or(has_utf8_address());
    parameters.return_part = parse_return_part(line_.submission.dsn_return).value_or(ReturnPart::unspecified);
    parameters.envelope_id = line_.submission.envelope_id;
    parameters.scheduling = scheduling_;
    if (line_.submission.requiretls) parameters.tls = TlsWish::required;
    const Notify notify = line_.submission.dsn_notify.empty()
                              ? Notify()
                              : parse_notify(line_.submission.dsn_notify).value_or(Notify());
    // The first host of a message is the one that knows what its sender called the recipients.
    for (const Address& address : recipients_.accepted())
        envelope.recipients.emplace_back(
            as_taken_in(address),
            RecipientWishes{notify, original_recipient_of(address.qualified(config_.identity.hostname))});
    return envelope;
}

void SubmitCommand::store() {
    if (disk::free_space(config_.queue.dir) < config_.queue.minfree)
        throw storage_failure(SpoolIsFull(config_.queue.dir, config_.queue.minfree));
    const std::string id = Spool::new_id();
    const bool waits = (line_.submission.deliver_now || line_.verbose) && !line_.submission.queue_only;
    Fd fifo = waits && config_.submission.delivery_wait.count() > 0 ? make_fifo(id) : Fd();
    try {
        write_drop(drop_directory_, drop_envelope(), *message_, id);
    } catch (const std::system_error&) {
        if (fifo) remove_status_fifo(drop_directory_, id);
        throw;
    }
    explain(id + ": stored");
    if (!line_.submission.queue_only) hand_over(id, std::move(fifo));
    if (status_) return;
    for (const Address& address : recipients_.accepted()) explain(address.to_string() + ": queued");
}

/// It is made before the drop, which a pickup worker may find at once.
Fd SubmitCommand::make_fifo(const std::string& id) const {
    try {
        return make_status_fifo(drop_directory_, id);
    } catch (const std::system_error& error) {
        explain(fmt::format("what becomes of the message cannot be told: {}", error.what()));
        return Fd();
    }
}

/// Tells the server of the drop, and begins to listen if the caller wants to know what becomes of it.
void SubmitCommand::hand_over(const std::string& id, Fd fifo) {
    if (trigger(config_.queue.control, (fifo ? "watch " : "drop ") + id)) {
        if (fifo) status_.emplace(std::move(fifo), recipients_.accepted(), config_.identity.hostname);
        return;
    }
    if (fifo) remove_status_fifo(drop_directory_, id);
    explain("no server is running: the message waits for it");
}

/// Returns the exit status. With error mode "mail" this reports nothing: the server mails its report to the
/// sender.
int SubmitCommand::follow_delivery() {
    status_->wait(Deadline::after(config_.submission.delivery_wait),
                  [this](const std::string& line) { explain(line); });
    if (line_.verbose) {
        for (const std::string& line : status_->summary()) explain(line);
    } else if (line_.submission.error_mode == ErrorMode::print) {
        for (const std::string& line : status_->failures()) print(line);
    }
    return status_->exit_code();
}

/// True in a program of a delivery file that handles a report: another report would be delivered to the
/// program again, without end (RFC 3834 section 2).
bool is_caused_by_report() {
    const char* sender = std::getenv("SENDER");
    return sender != nullptr && *sender == '\0';
}

/// True if the sender is told by mail: on request, or where no terminal shows what we print (BSD mail and
/// s-nail do not wait for us, nor do most programs).
bool SubmitCommand::reports_by_mail() const {
    if (sender_.is_null() || is_caused_by_report()) return false;
    if (line_.submission.error_mode_given) return line_.submission.error_mode == ErrorMode::mail;
    return ::isatty(STDIN_FILENO) == 0 && ::isatty(STDERR_FILENO) == 0;
}

/// True for a person at a terminal: the text would be lost otherwise.
bool SubmitCommand::saves_dead_letter() const {
    const bool has_terminal = static_cast<bool>(Fd(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)));
    return has_terminal && recipients_.accepted().empty() && is_own_sender_ && caller_.uid != 0 &&
           line_.submission.error_mode != ErrorMode::quiet;
}

bool SubmitCommand::mail_report(const std::vector<std::string>& reasons, int undelivered) const {
    try {
        trigger(config_.queue.control, "drop " + mail_error_report(drop_directory_, config_.identity.hostname,
                                                                   sender_, reasons, undelivered));
        return true;
    } catch (const std::system_error& error) {
        report(fmt::format("the error report was not stored: {}", error.what()));
        return false;
    }
}

void SubmitCommand::report_refusals(bool mailed, int undelivered) const {
    for (const Recipients::Refused& refused : recipients_.refused()) {
        if (mailed && line_.submission.error_mode_given) {
            log(refused.text);
        } else {
            report(refused.text);
        }
    }
    if (mailed || !saves_dead_letter()) return;
    if (const auto path = save_dead_letter(caller_.home, sender_, undelivered))
        print("Saved message in " + *path);
}

void SubmitCommand::report(const std::string& text) const {
    if (line_.submission.error_mode != ErrorMode::quiet) print(text);
    log(text);
}

void SubmitCommand::log(const std::string& text) const {
    log_event("", "submission-refused",
              {{"program", line_.program}, {"uid", std::to_string(caller_.uid)}, {"reason", text}});
}

}  // namespace

int submit_message(const Config& config, const CommandLine& line) {
    if (line.version_first) show_version(line);
    SubmitCommand command(config, line);
    int exit_code = 70;
    try {
        exit_code = command.run();
    } catch (const Failure& failure) {
        command.report(failure.text);
        exit_code = failure.exit_code;
    } catch (const std::system_error& error) {
        const Failure failure = storage_failure(error);
        command.report(failure.text);
        exit_code = failure.exit_code;
    }
    return exit_code;
}

}  // namespace postoffice
