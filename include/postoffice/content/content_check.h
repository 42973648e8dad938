// What becomes of a message that is complete: the program of `av=` looks at it, and `spam=` decides about one
// that it or a filter calls unwanted. The same for messages of clients and submissions of this host.
#pragma once

#include <optional>
#include <string>

#include "postoffice/config/config.h"
#include "postoffice/content/scanner.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/reply.h"
#include "postoffice/queue/message.h"

namespace postoffice {

/// A 550 that tells the client the reason, or in its place that of `spam=bounce:WHY`.
Reply refusal_of_unwanted(const Config& config, const std::string& reason);

class CheckedContent {
  public:
    /// Keeps the reference. `unwanted`: why a filter calls the message unwanted; empty if none does.
    explicit CheckedContent(Message& message, std::string unwanted = {})
        : message_(&message), reason_(std::move(unwanted)) {}
    CheckedContent(const CheckedContent&) = delete;
    CheckedContent& operator=(const CheckedContent&) = delete;

    /// Why the message is not accepted: 550 for an unwanted one with `spam=bounce`, 450 for one that cannot
    /// be judged now, 45x if there is no room to mark it.
    std::optional<Reply> check(const Config& config, const ScannerHandle& scanner, const std::string& id);
    /// The program or a filter calls it unwanted, whatever `spam=` makes of that.
    bool is_unwanted() const { return !reason_.empty(); }
    /// ScanVerdict::summary() of the program; "" if it was not asked.
    const std::string& scanned() const { return scanned_; }
    /// For the envelope of a message that is accepted: the verdict of the program; of an unwanted one the
    /// folder of `spam=`, and the reason.
    void mark(const Config& config, Envelope& envelope) const;
    /// The message to accept: as it came, or a copy of it with an X-Spam field.
    Message& message() { return marked_ ? *marked_ : *message_; }

  private:
    std::optional<Reply> scan(const Config& config, const ScannerHandle& scanner, const std::string& id);
    std::optional<Reply> add_field(const Config& config, const std::string& id);

    Message* message_;
    std::optional<Message> marked_;
    std::string reason_;
    std::string scanned_;
};

}  // namespace postoffice
