#include "dialogue.h"

#include <algorithm>

#include "filtering.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"

namespace postoffice {
namespace {

constexpr Seconds patience_with_dns{30};

}  // namespace

std::string Dialogue::client() const {
    return facts().text();
}

Client Dialogue::facts() const {
    return {IpAddress::parse(state.client_address.str()), state.client_name.str(), state.name_status,
            is_authenticated()};
}

ClientPatience Dialogue::patience() const {
    const Milliseconds whole = config().limits.timeout;
    return {state.penalties.mail_was_refused ? whole / 10 : whole, services.load_level};
}

void Dialogue::pause(Milliseconds time) {
    const bool others_need_the_process = services.load_level && services.load_level->is_high();
    if (time > Milliseconds(0) && !others_need_the_process && !client_is_known())
        (void)connection.wait_for_end(Deadline::after(time));
}

void Dialogue::count_idle_command() {
    if (state.penalties.note_idle_command()) ++state.errors;
}

void Dialogue::note_misconduct(unsigned points) {
    const auto address = IpAddress::parse(state.client_address.str());
    if (services.misconduct && address && !client_is_known()) services.misconduct->note(*address, points);
}

void Dialogue::log_end(LogEvent event, std::string_view why) const {
    const std::string last = is_reading_message ? "DATA, inside the message" : last_command;
    log_event("", event,
              {{"client", client()}, {"login", state.user.str()}, {"command", last}, {"reason", why}});
}

void Dialogue::drop(std::string_view why) {
    log_end("dropped", why);
    note_misconduct(bad_points::disconnected);
    ++state.errors;  // the process serves no other client
    is_over = true;
}

PathRules Dialogue::path_rules(bool allow_null) {
    return {.allow_null = allow_null,
            .allow_unqualified = client_is_local(),
            .lenient = !config().smtp.strict_addresses || client_is_known()};
}

RatedClient Dialogue::rated() {
    const auto address = IpAddress::parse(state.client_address.str());
    return {address.value_or(IpAddress()), state.user.str(), client_is_local()};
}

Resolver Dialogue::resolver() const {
    return services.resolver.until(Deadline::after(patience_with_dns));
}

bool Dialogue::has_fetched_mail() const {
    const Seconds window = config().pop3.pop_before_smtp;
    if (window.count() == 0 || services.rates == nullptr) return false;
    const auto address = IpAddress::parse(state.client_address.str());
    return address && services.rates->count(fetched_mail_key(*address), window) > 0;
}

ClientTrust Dialogue::trust() {
    if (!known_standing) known_standing = trust_of(config(), resolver(), facts());
    return *known_standing;
}

void Dialogue::abandon_transaction() {
    // A client without an accepted recipient may be guessing names: that counts like a mistake, once for each
    // attempt, so that a list with some dead addresses still gets through.
    if (transaction.refused_count() > 0 && transaction.recipient_count() == 0) ++state.errors;
    transaction = Transaction();
    chunks.reset();
    end_filtered_message(*this);
}

std::string Dialogue::protocol() const {
    if (state.extended == 0) return "SMTP";
    const bool utf8 = transaction.parameters().smtputf8;  // RFC 6531 section 4.3
    return std::string(utf8 ? "UTF8SMTP" : "ESMTP") + (is_over_tls() ? "S" : "") +
           (is_authenticated() ? "A" : "");
}

}  // namespace postoffice
