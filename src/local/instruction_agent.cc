#include "postoffice/local/instruction_agent.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <optional>

#include "agent_answer.h"
#include "instruction_source.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/local/agent_protocol.h"
#include "postoffice/local/forwarding.h"
#include "postoffice/local/message_copier.h"
#include "postoffice/local/program.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/routing/delivery_file.h"
#include "postoffice/routing/mailbox_path.h"
#include "postoffice/routing/user_files.h"
#include "postoffice/routing/users.h"
#include "program_environment.h"

namespace postoffice {
namespace {

using Kind = InstructionRequest::Kind;
using Outcome = DeliveryResult::Outcome;

constexpr std::uint64_t small_message = 1 << 20;  // larger ones are on the disk while programs read them

/// Null: the instruction is none; "" a jump without a command.
const std::string* command_of(const Instruction& instruction) {
    if (instruction.kind == Instruction::Kind::branch) return &instruction.command;
    return instruction.target.kind == AliasTarget::Kind::program ? &instruction.target.text : nullptr;
}

class InstructionAgent {
  public:
    InstructionAgent(const Config& config, const Account& account, const MailboxGroup& group,
                     const InstructionPlace& place)
        : config_(config), account_(account), group_(group), place_(place) {}

    DeliveryResult carry_out(const InstructionRequest& request, int message);

  private:
    bool is_for_alias() const { return place_.in_aliases || place_.domain; }
    std::string extension_of(const Address& recipient) const;
    bool is_qmail() const;
    bool is_own_mailbox(const Address& to) const;
    enum class Owner { none, of_all, of_each };
    Owner owner() const;
    std::string new_sender() const;
    DeliveryResult forward(const std::vector<Address>& to) const;
    void prepare(int message);
    bool run(const std::string& command, DeliveryResult& result) const;
    DeliveryResult append(const std::string& written) const;
    DeliveryResult append_to_mailbox() const;
    DeliveryResult append_with(Mailbox& mailbox, const std::string& name) const;
    DeliveryResult follow(const DeliveryFile& file) const;
    DeliveryResult perform(const AliasTarget& target, std::vector<Address>& forwards) const;

    const Config& config_;
    const Account& account_;
    MailboxGroup group_;
    const InstructionPlace& place_;
    std::string id_, sender_, recipient_, extension_;
    std::string file_;  ///< the path of the delivery file; empty: an alias, or no file
    Address address_;
    int original_ = -1;  ///< as it was handed over
    Fd stamped_;         ///< as programs read it
    Deadline deadline_ = Deadline::after(Milliseconds(0));
};

DeliveryResult InstructionAgent::carry_out(const InstructionRequest& request, int message) {
    deadline_ = Deadline::after(std::chrono::duration_cast<Milliseconds>(config_.local.command_timeout));
    id_ = printable(request.id.str());
    sender_ = printable(request.sender.str());
    recipient_ = printable(request.recipient.str());
    const auto address = parse_addr_spec(request.recipient.str());
    if (!address) return deferred("4.3.0", "A recipient that is no address");
    address_ = *address;
    extension_ = extension_of(address_);
    original_ = message;

    const InstructionSource source =
        InstructionLookup(config_, account_, group_, place_).find(request, extension_);
    if (!source.problem.empty()) return deferred("4.3.5", source.problem);
    if (!source.has_it) return deferred("4.3.5", "The instruction is not there any more");
    if (source.file) file_ = source.path;
    const std::string instruction = request.instruction.str();
    if (request.kind == Kind::file) return append(instruction);
    prepare(message);
    if (request.kind == Kind::program) {
        DeliveryResult result;
        (void)run(instruction.substr(1), result);
        return result;
    }
    return source.file ? follow(*source.file) : append_to_mailbox();
}

std::string InstructionAgent::extension_of(const Address& recipient) const {
    return is_for_alias() ? "" : extension_for(account_.name, recipient.local_part(), config_);
}

bool InstructionAgent::is_qmail() const {
    return !file_.empty() && dialect_of(file_) == DeliveryDialect::qmail;
}

/// What dot-qmail's list forwards goes out in the name of its owner; a report has no sender anywhere.
InstructionAgent::Owner InstructionAgent::owner() const {
    if (!is_qmail() || sender_.empty()) return Owner::none;
    const std::string name = qmail_name(extension_.empty() ? "owner" : to_lower(extension_) + "-owner");
    const auto is_there = [&](const std::string& file) {
        return ::access((account_.home + "/" + file).c_str(), F_OK) == 0;
    };
    if (!is_there(name)) return Owner::none;
    return is_there(name + "-default") ? Owner::of_each : Owner::of_all;
}

/// qmail-command(8): with an owner of each recipient, the sender that qmail-send fills in for each.
std::string InstructionAgent::new_sender() const {
    switch (owner()) {
        case Owner::of_all:
            return printable(qmail_owner_address(address_).to_string());
        case Owner::of_each:
            return printable(address_.local_part() + "-owner-@" + address_.domain() + "-@[]");
        case Owner::none:
            break;
    }
    return sender_;
}

/// The message as programs read it: "From " line, Return-Path and Delivered-To in front. From a dot-qmail
/// file they get it as it is, and find these lines in their environment.
void InstructionAgent::prepare(int message) {
    if (is_qmail()) {
        stamped_ = copy_of_message("", message);
        return;
    }
    struct stat status {};
    if (::fstat(message, &status) != 0) throw_errno("stat message");
    const bool is_small = static_cast<std::uint64_t>(status.st_size) <= small_message;
    stamped_ = Fd(is_small ? ::memfd_create("message", MFD_CLOEXEC)
                           : ::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600));
    if (!stamped_) throw_errno("a place for the message");
    MessageCopier copier({.from_line = true, .escape_from = config_.local.escape_from});
    copier.copy("", {sender_, recipient_}, message, stamped_.get());
}

/// True if it ended with 99, which in a file that runs in order is a jump.
bool InstructionAgent::run(const std::string& command, DeliveryResult& result) const {
    if (::geteuid() == 0 || ::getegid() == 0) {
        result = deferred("4.3.5", "Programs are never run as root");
        return false;
    }
    const std::string folder = place_.in_aliases ? "/" : account_.home;
    const Environment environment = program_environment(
        config_, account_, {id_, sender_, new_sender(), address_, recipient_, extension_, file_});
    const ProgramEnd end = run_command(command, folder, environment, stamped_.get(), deadline_);
    result = is_qmail() ? qmail_result_of(end) : result_of(end);
    log_event(id_, "program-run",
              {{"user", account_.name}, {"command", command}, {"reply", result.reply.line()}});
    return end.exited_with(99);
}

DeliveryResult InstructionAgent::append(const std::string& written) const {
    if (::geteuid() == 0) return deferred("4.3.5", "Nothing is written as root");
    const std::string path = path_from_home(written, account_.home);
    if (path == "/dev/null") return delivered("Discarded");
    const auto mailbox = path.ends_with('/') ? open_maildir(path.substr(0, path.find_last_not_of('/') + 1),
                                                            config_.identity.hostname)
                                             : open_mbox(path, mbox_options(config_));
    return append_with(*mailbox, path);
}

DeliveryResult InstructionAgent::append_to_mailbox() const {
    return append_with(*open_mailbox_of(config_, account_, group_), "the mailbox of " + account_.name);
}

DeliveryResult InstructionAgent::append_with(Mailbox& mailbox, const std::string& name) const {
    const auto not_done = [&](const std::string& why) {
        log_event(id_, "file-not-written", {{"user", account_.name}, {"file", name}, {"reason", why}});
    };
    try {
        mailbox.begin();
        mailbox.append({sender_, recipient_}, original_);
        mailbox.finish();
        return delivered("Appended to " + name);
    } catch (const std::system_error& error) {
        not_done(error.what());
        return deferred_for(error);
    } catch (const std::exception& error) {
        not_done(in_plain_words(error));
        return deferred("4.2.0", in_plain_words(error));
    }
}

/// The user's own name is the mailbox. In dot-qmail's file for an extension it is an address like others, for
/// which there is another file.
bool InstructionAgent::is_own_mailbox(const Address& to) const {
    if (is_qmail() && !extension_.empty()) return false;
    const bool is_here = !to.is_qualified() || config_.identity.is_local_domain(to.domain());
    return is_here && equals_ignoring_case(to.local_part(), account_.name);
}

DeliveryResult InstructionAgent::perform(const AliasTarget& target, std::vector<Address>& forwards) const {
    switch (target.kind) {
        case AliasTarget::Kind::file:
            return append(target.text);
        case AliasTarget::Kind::account:
        case AliasTarget::Kind::address:
            if (is_own_mailbox(target.address)) return append_to_mailbox();
            forwards.push_back(target.address.qualified(config_.identity.hostname));
            return delivered("");
        case AliasTarget::Kind::program:
        case AliasTarget::Kind::include:
            break;
    }
    return deferred("4.3.5", "Something else where a file or an address should be");
}

/// One message for all; or one for each recipient, with a sender by which its bounces are known.
DeliveryResult InstructionAgent::forward(const std::vector<Address>& to) const {
    if (owner() != Owner::of_each)
        return forward_message({config_, new_sender(), recipient_, account_}, to, original_, deadline_);
    for (const Address& one : to) {
        const std::string sender = qmail_owner_address(address_, one).to_string();
        auto result = forward_message({config_, sender, recipient_, account_}, {one}, original_, deadline_);
        if (result.outcome != Outcome::delivered) return result;
    }
    return delivered("Forwarded");
}

/// From the top to the end, with jumps ahead. The first failure ends it: what was done before is done again
/// at the next attempt, as everywhere in the world of dot-qmail. Forwards come last, when nothing else can
/// fail.
DeliveryResult InstructionAgent::follow(const DeliveryFile& file) const {
    std::vector<Address> forwards;
    std::optional<std::string> skip_to;
    DeliveryResult result = delivered("");
    bool did_something = false;
    for (const Instruction& instruction : file.instructions) {
        if (skip_to) {
            if (instruction.kind == Instruction::Kind::label && instruction.label == *skip_to)
                skip_to.reset();
            continue;
        }
        if (instruction.kind == Instruction::Kind::label) continue;
        const std::string* command = command_of(instruction);
        if (command == nullptr) {
            result = perform(instruction.target, forwards);
            if (result.outcome != Outcome::delivered) return result;
        } else {
            const bool jumps = command->empty() || run(*command, result);
            if (result.outcome != Outcome::delivered) return result;
            if (jumps && instruction.kind != Instruction::Kind::branch) break;
            if (jumps) skip_to = instruction.label;
        }
        did_something = true;
    }
    if (!forwards.empty()) {
        result = forward(forwards);
        if (result.outcome != Outcome::delivered) return result;
    }
    if (!did_something && file.says_nothing()) return append_to_mailbox();
    return delivered("As the delivery file of " + account_.name + " says");
}

}  // namespace

int run_instruction_agent(const Config& config, const Account& account, const MailboxGroup& group,
                          const InstructionPlace& place, Fd channel) {
    ignore_sigpipe();
    ::signal(SIGXFSZ, SIG_IGN);
    ::umask(077);
    const auto request = receive_struct<InstructionRequest>(channel.get(), Deadline::after(Seconds(30)));
    if (!request) return 0;
    if (request->value.tag != InstructionRequest::own_tag || request->descriptors.size() != 1) {
        log_event("", "malformed-request",
                  {{"user", account.name}, {"reason", "malformed instruction request"}});
        return 0;
    }
    DeliveryResult result;
    try {
        InstructionAgent agent(config, account, group, place);
        result = agent.carry_out(request->value, request->descriptors.front().get());
    } catch (const std::system_error& error) {
        result = deferred_for(error);
    } catch (const std::exception& error) {
        result = deferred("4.3.0", in_plain_words(error));
    }
    const DeliveryAnswer answer = answer_of(result);
    (void)send_packet_now(channel.get(), std::as_bytes(std::span(&answer, 1)));
    return 0;
}

}  // namespace postoffice
