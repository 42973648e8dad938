// The text form of aliases, aliases(5): what an alias file says, and what one value of it means.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/result.h"
#include "postoffice/mail/address.h"

namespace postoffice {

/// "name: value", with its continuation lines joined.
struct AliasEntry {
    std::string name;     ///< lower case, without quotes; of a broken entry as much as can be told, maybe ""
    std::string value;    ///< raw; parse_alias_value() reads it
    unsigned line = 0;    ///< the first line of the entry
    std::string problem;  ///< why it cannot be used; "" if it can
    unsigned last_line = 0;  ///< of its continuation lines
};

/// All entries in order, the broken ones too: mail for their names waits, it is not refused. Of several
/// entries with one name, all but the first are broken.
std::vector<AliasEntry> parse_alias_file(std::string_view text);

/// One destination of an alias.
struct AliasTarget {
    enum class Kind {
        address,  ///< a name of this host, or an address anywhere
        account,  ///< "\name": that account, whatever alias it has
        include,  ///< ":include:/path"
        program,  ///< "|command"
        file,     ///< "/path"; also "~/path", "./path" and "path/", which are below the home
    } kind = Kind::address;
    Address address;   ///< address, account
    std::string text;  ///< path or command
};

/// Where destinations stand, which decides what a path in them can be.
enum class AliasPlace {
    host,    ///< the aliases of this host: a path begins with '/'
    domain,  ///< the aliases of a virtual domain: also below the home of its owner; "@other" is "*@other"
    home,    ///< a user's own file: also below that home
};

/// Splits a text at its commas. Empty if there are only comments, or a problem.
Result<std::vector<AliasTarget>> parse_destinations(std::string_view text, AliasPlace place);
/// The same for the value of an alias, which has at least one target.
Result<std::vector<AliasTarget>> parse_alias_value(std::string_view value,
                                                   AliasPlace place = AliasPlace::host);

/// What is wrong with a value, or "".
std::string alias_value_problem(std::string_view value, AliasPlace place = AliasPlace::host);

}  // namespace postoffice
