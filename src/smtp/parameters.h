// The ESMTP parameters of MAIL and RCPT (RFC 5321 section 4.1.1.11): one table for each verb, a row for each
// keyword, in verb_mail.cc and verb_rcpt.cc. What a row reads ends up
// in a value of the verb.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "dialogue.h"
#include "postoffice/mail/reply.h"
#include "postoffice/smtp/command.h"

namespace postoffice {

template <class Values>
struct ParameterRow {
    std::string_view keyword;  ///< in capitals
    std::string_view syntax;   ///< for a client that got it wrong, and for HELP
    /// Whether this client may use it now; null pointer: all may. What is not offered is answered 555,
    /// like an unknown parameter.
    bool (*is_offered)(Dialogue&);
    /// Stores `value` ("" where the client wrote no value: one that is there is never empty). False: it is
    /// malformed, which is answered 501 with the syntax.
    bool (*read)(std::string_view value, Values&);
};

/// The replies for a parameter that is in no row, malformed, or there for the second time.
Reply unsupported_parameter(std::string_view keyword);
Reply malformed_parameter(std::string_view syntax);
Reply repeated_parameter(std::string_view keyword);

/// Whether SMTPUTF8 is offered, and taken.
bool offers_smtputf8(Dialogue&);
/// The same of REQUIRETLS, which is for sessions under TLS (RFC 8689 section 4).
bool offers_requiretls(Dialogue&);
/// An address beyond ASCII is refused unless MAIL said SMTPUTF8 (RFC 6531 section 3.5). `path_text`: path and
/// parameters.
std::optional<Reply> check_ascii(std::string_view path_text, std::string_view parameters, bool smtputf8);

/// Equal but for case, as keywords are compared.
bool is_same_keyword(std::string_view a, std::string_view b);

/// Fills in `values` from `text`, what stands behind the path; or the reply for the first parameter that
/// cannot be honoured.
template <class Values>
std::optional<Reply> read_parameters(Dialogue& dialogue, std::span<const ParameterRow<Values>> table,
                                     std::string_view text, Values& values) {
    const auto parameters = parse_parameters(text);
    if (!parameters) return Reply{501, "5.5.4", parameters.problem()};
    for (auto parameter = parameters->begin(); parameter != parameters->end(); ++parameter) {
        const ParameterRow<Values>* row = nullptr;
        for (const auto& candidate : table)
            if (is_same_keyword(candidate.keyword, parameter->keyword)) row = &candidate;
        if (row == nullptr || (row->is_offered != nullptr && !row->is_offered(dialogue)))
            return unsupported_parameter(parameter->keyword);
        for (auto earlier = parameters->begin(); earlier != parameter; ++earlier)
            if (is_same_keyword(earlier->keyword, parameter->keyword))
                return repeated_parameter(row->keyword);
        if (!row->read(parameter->value.value_or(""), values)) return malformed_parameter(row->syntax);
    }
    return std::nullopt;
}

}  // namespace postoffice
