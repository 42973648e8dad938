// What a filter says to one step of a session, or of a message as a whole.
#pragma once

#include <string>
#include <string_view>

#include "postoffice/mail/reply.h"

namespace postoffice {

struct FilterVerdict {
    enum class Kind {
        go_on,
        refuse,   ///< with `reply`
        discard,  ///< the message is taken and thrown away; its client hears of no error
    } kind = Kind::go_on;
    Reply reply = {};
    std::string filter = {};   ///< the socket of the filter, for the log; empty to go on
    bool is_unwanted = false;  ///< a filter with refusal=spam refuses, and so does `spam=`

    bool goes_on() const { return kind == Kind::go_on; }
    /// "accept", "discard", "reject", "tempfail": for the log.
    std::string_view word() const {
        if (kind != Kind::refuse) return goes_on() ? "accept" : "discard";
        return reply.is_temporary() ? "tempfail" : "reject";
    }
};

}  // namespace postoffice
