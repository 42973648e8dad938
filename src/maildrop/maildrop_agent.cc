#include "postoffice/maildrop/maildrop_agent.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <variant>
#include <vector>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/process.h"
#include "postoffice/local/mailbox.h"
#include "postoffice/maildrop/maildrop_protocol.h"
#include "top_of_message.h"

namespace postoffice {
namespace {

constexpr Seconds silence_before_release{1};  // then the client may say nothing for minutes

class MaildropAgent {
  public:
    MaildropAgent(const MaildropDuty& duty, Fd channel) : duty_(duty), channel_(std::move(channel)) {}

    int run() {
        if (!open()) return 0;
        while (maildrop_) {
            std::array<std::byte, sizeof(MaildropMarks)> packet;
            const auto received = next_request(packet);
            if (!received) return 0;
            const auto request = parse_tagged<MaildropRead, MaildropMarks, MaildropUpdate>(
                std::span(packet).first(received->size));
            if (!request) return 0;
            std::visit([this](const auto& one) { serve(one); }, *request);
        }
        return 0;
    }

  private:
    std::optional<Packet> next_request(std::span<std::byte> into) const {
        try {
            return receive_packet(channel_.get(), into, Deadline::after(silence_before_release));
        } catch (const Timeout&) {
            release_free_memory();
            return receive_packet(channel_.get(), into);
        }
    }

    void log_failure(const std::exception& error) const {
        log_event("", "maildrop-failed", {{"user", duty_.name}, {"reason", in_plain_words(error)}});
    }

    /// Permanent where rights are missing: only the administrator can give them.
    MaildropStatus log_and_classify(const std::exception& error) const {
        log_failure(error);
        const auto* of_system = dynamic_cast<const std::system_error*>(&error);
        const int number = of_system != nullptr ? of_system->code().value() : 0;
        return number == EACCES || number == EPERM || number == EROFS ? MaildropStatus::permanent
                                                                      : MaildropStatus::temporary;
    }

    /// False if the session was told why not.
    bool open() {
        MaildropOpened opened;
        try {
            maildrop_ = open_maildrop(duty_.path, duty_.options);
            opened.status = MaildropStatus::done;
            opened.messages = static_cast<std::uint32_t>(maildrop_->entries().size());
            changes_.deleted.resize(opened.messages);
            changes_.read.resize(opened.messages);
        } catch (const MaildropInUse&) {
            opened.status = MaildropStatus::in_use;
        } catch (const UnfitMailbox& error) {
            log_failure(error);
            opened.status = MaildropStatus::permanent;
        } catch (const std::exception& error) {
            opened.status = log_and_classify(error);
        }
        send_struct(channel_.get(), opened);
        if (maildrop_) send_items();
        return maildrop_ != nullptr;
    }

    void send_items() {
        MaildropItems packet;
        for (const MaildropEntry& entry : maildrop_->entries()) {
            MaildropItems::Item& item = packet.items[packet.count++];
            item.octets = entry.octets;
            item.uid.assign_cut(entry.uid);
            if (packet.count < MaildropItems::most) continue;
            send_struct(channel_.get(), packet);
            packet.count = 0;
        }
        if (packet.count > 0) send_struct(channel_.get(), packet);
    }

    void serve(const MaildropRead& request) {
        if (request.index >= changes_.deleted.size())
            return send_struct(channel_.get(), MaildropAnswer{.status = MaildropStatus::changed});
        TopOfMessage top(request.body_lines);
        bool has_begun = false;
        try {
            maildrop_->read(request.index, [&](std::string_view text) {
                if (!std::exchange(has_begun, true)) begin_text();
                append(top.wanted(text));
                return !top.is_done();
            });
            if (!has_begun) begin_text();
            send_piece(true);
        } catch (const std::exception& error) {
            const bool is_changed = dynamic_cast<const MaildropChanged*>(&error) != nullptr;
            const MaildropStatus status = is_changed ? MaildropStatus::changed : log_and_classify(error);
            // Half a message cannot be taken back: the session sees that the agent has ended.
            if (has_begun) throw;
            send_struct(channel_.get(), MaildropAnswer{.status = status});
        }
    }

    void begin_text() {
        send_struct(channel_.get(), MaildropAnswer{.status = MaildropStatus::done});
        piece_.resize(sizeof(MaildropText));
    }

    void append(std::string_view text) {
        while (!text.empty()) {
            const std::size_t room = sizeof(MaildropText) + MaildropText::most - piece_.size();
            const auto part = std::as_bytes(std::span(text.substr(0, room)));
            piece_.insert(piece_.end(), part.begin(), part.end());
            text.remove_prefix(part.size());
            if (part.size() == room) send_piece(false);
        }
    }

    void send_piece(bool is_last) {
        const MaildropText head{.is_last = is_last ? 1U : 0U};
        std::memcpy(piece_.data(), &head, sizeof head);
        send_packet(channel_.get(), piece_);
        piece_.resize(sizeof head);
    }

    void serve(const MaildropMarks& marks) {
        for (std::size_t i = 0; i < MaildropMarks::most && marks.first + i < changes_.deleted.size(); ++i) {
            changes_.deleted[marks.first + i] = marks.deleted.is_set(i);
            changes_.read[marks.first + i] = marks.read.is_set(i);
        }
    }

    bool has_changes() const {
        const auto has_one = [](const std::vector<bool>& marks) {
            return std::find(marks.begin(), marks.end(), true) != marks.end();
        };
        return has_one(changes_.deleted) || (changes_.marks_read && has_one(changes_.read));
    }

    /// The end: the mailbox is closed before the session hears the answer.
    void serve(const MaildropUpdate& request) {
        MaildropAnswer answer;
        try {
            changes_.marks_read = request.marks_read != 0;
            if (has_changes()) answer.removed = static_cast<std::uint32_t>(maildrop_->update(changes_));
            answer.status = MaildropStatus::done;
        } catch (const std::exception& error) {
            answer.status = log_and_classify(error);
        }
        maildrop_.reset();
        send_struct(channel_.get(), answer);
    }

    const MaildropDuty& duty_;
    const Fd channel_;
    std::unique_ptr<Maildrop> maildrop_;
    MaildropChanges changes_;
    std::vector<std::byte> piece_;  // a MaildropText and what follows it
};

}  // namespace

int run_maildrop_agent(const MaildropDuty& duty, Fd channel) try {
    ignore_sigpipe();
    ::signal(SIGXFSZ, SIG_IGN);  // a full disk is an error of write(2), not the end of this process
    ::umask(077);
    return MaildropAgent(duty, std::move(channel)).run();
} catch (const PeerGone&) {
    return 0;  // the session left in the middle
} catch (const std::exception& error) {
    log_event("", "maildrop-failed", {{"user", duty.name}, {"reason", in_plain_words(error)}});
    return 0;
}

}  // namespace postoffice
