// The last look at a message that is complete: by the program of `av=`. Here a message is marked that it, or
// a verdict of before, calls unwanted and `spam=` accepts. The same for messages of clients and submissions
// of this host.
#pragma once

#include <optional>
#include <string>

#include "postoffice/config/config.h"
#include "postoffice/content/scanner.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/reply.h"
#include "postoffice/policy/unwanted_mail.h"
#include "postoffice/queue/message.h"

namespace postoffice {

class CheckedContent {
  public:
    /// Keeps the reference. `unwanted`: by verdicts of before.
    explicit CheckedContent(Message& message, Unwanted unwanted = {})
        : message_(&message), unwanted_(std::move(unwanted)) {}
    CheckedContent(const CheckedContent&) = delete;
    CheckedContent& operator=(const CheckedContent&) = delete;

    /// Why the message is not accepted: 550 for an unwanted one with `spam=bounce`, 450 for one that cannot
    /// be judged now, 45x if there is no room to mark it.
    std::optional<Reply> check(const Config& config, const ScannerHandle& scanner, const std::string& id);
    /// A verdict calls it unwanted, and `spam=` accepts it.
    bool is_unwanted() const { return static_cast<bool>(unwanted_); }
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
    Unwanted unwanted_;
    std::string scanned_;
};

}  // namespace postoffice
