// What submission does to a header, once: what is missing is added, names without domain get ours, what must
// not travel is removed, and recipients are found. RFC 6409 section 8, RFC 5322 section 3.6.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postoffice/mail/address.h"

namespace postoffice {

struct HeaderSettings {
    std::string hostname;
    std::string from;       ///< address for a missing From
    std::string full_name;  ///< name with it; may be empty
    bool complete = true;   ///< false: nothing is added or qualified (-G)
};

struct CompletedHeader {
    std::string text;                 ///< with the empty line that ends it
    std::vector<Address> recipients;  ///< of the newest resending, else of To, Cc and Bcc; not qualified
    std::vector<std::string> bad_recipients;  ///< what stands there and is no address
    unsigned received = 0;                    ///< Received fields
};

/// `header`: whole lines, each a field or the continuation of one; may be empty.
CompletedHeader complete_header(std::string_view header, const HeaderSettings& settings);

}  // namespace postoffice
