// What one attempt to deliver to one recipient came to.
#pragma once

#include <string>
#include <string_view>

#include "postoffice/mail/reply.h"

namespace postoffice {

struct DeliveryResult {
    enum class Outcome { delivered, deferred, failed } outcome = Outcome::deferred;
    Reply reply;     ///< ours or the peer's, with enhanced status
    std::string by;  ///< the host that said so: "mx.example.org [192.0.2.1]"; empty if we did
    /// Delivered, and that host was asked for the notice of success: it is not ours to send any more.
    bool notice_passed_on = false;
    /// Deferred only since no answer came in the time that this attempt had: one with more patience may get
    /// it.
    bool is_unanswered = false;
    std::string tls = {};  ///< "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: the host was spoken to in the clear
    std::string tls_policy = {};  ///< by which that was so: "may", "verify"; empty: there was none
};

inline DeliveryResult delivered(std::string text, std::string by = "") {
    return {DeliveryResult::Outcome::delivered, {250, "2.0.0", std::move(text)}, std::move(by), false};
}
/// RFC 5321 section 4.2.2: where there is no room it is 452.
inline DeliveryResult deferred(std::string status, std::string text, std::string by = "") {
    const int code = status == "4.2.2" || status == "4.3.1" ? 452 : 451;
    return {
        DeliveryResult::Outcome::deferred, {code, std::move(status), std::move(text)}, std::move(by), false};
}
inline DeliveryResult failed(std::string status, std::string text, std::string by = "") {
    return {DeliveryResult::Outcome::failed, {550, std::move(status), std::move(text)}, std::move(by), false};
}

/// Stands between our words and those of the last attempt, where a message was given up.
inline constexpr std::string_view last_words_mark = "; the last attempt said: ";

}  // namespace postoffice
