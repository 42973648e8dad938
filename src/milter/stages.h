// The stages at which a filter is asked, and what of the negotiation concerns each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol.h"

namespace postoffice::milter {

enum class Stage {
    connect,
    helo,
    mail,
    recipient,
    data,
    header,
    end_of_header,
    body,
    end_of_message,
    unknown
};

struct StageRow {
    Stage stage;
    std::string_view name;  ///< for the log
    char command;
    std::uint32_t unwanted;   ///< the filter is not asked
    std::uint32_t silent;     ///< it does not answer
    int macro_list;           ///< number of the stage in a list of macros that a filter asks for; -1: none
    std::string_view macros;  ///< that are sent unless it asks for others
};

// {tls_version} and its like stand with HELO, since they are new after STARTTLS.
inline constexpr auto stage_table = std::to_array<StageRow>({
    {Stage::connect, "connect", command::connect, flag::no_connect, flag::silent_connect, 0,
     "j {daemon_name} {daemon_addr} {daemon_port} v _ b"},
    {Stage::helo, "helo", command::helo, flag::no_helo, flag::silent_helo, 1,
     "{tls_version} {cipher} {cipher_bits}"},
    {Stage::mail, "mail", command::mail, flag::no_mail, flag::silent_mail, 2,
     "i {auth_type} {auth_authen} {mail_mailer} {mail_host} {mail_addr}"},
    {Stage::recipient, "rcpt", command::recipient, flag::no_recipient, flag::silent_recipient, 3,
     "i {rcpt_mailer} {rcpt_host} {rcpt_addr}"},
    {Stage::data, "data", command::data, flag::no_data, flag::silent_data, 4, "i"},
    {Stage::header, "header", command::header, flag::no_header, flag::silent_header, -1, "i"},
    {Stage::end_of_header, "eoh", command::end_of_header, flag::no_end_of_header, flag::silent_end_of_header,
     6, "i"},
    {Stage::body, "body", command::body, flag::no_body, flag::silent_body, -1, "i"},
    {Stage::end_of_message, "eom", command::end_of_message, 0, 0, 5, "i {msg_id}"},
    {Stage::unknown, "unknown", command::unknown, flag::no_unknown, flag::silent_unknown, -1, ""},
});

constexpr const StageRow& row_of(Stage stage) {
    return stage_table[static_cast<std::size_t>(stage)];
}

}  // namespace postoffice::milter
