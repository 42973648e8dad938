// The ids that messages had on another POP3 server, so that no client loads them again. They are taken over
// when a maildrop has no index yet. What is found is not yet checked: is_valid_uid().
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mailbox_parser.h"

namespace postoffice {

/// By the unique name of a file in a maildir, or by the number of a message in an mbox, from 1.
using ForeignIds = std::unordered_map<std::string, std::string>;

/// Of dovecot-uidlist, version 3: "3 V1275660208 N25022", then "25006 W2481 P123
/// :1276528487.M364837P9451.host". The id is what stands behind P, else that of Dovecot's own
/// pop3_uidl_format, "%08Xu%08Xv". A line of another form gives none.
ForeignIds read_dovecot_uidlist(std::string_view text);

/// Of courierpop3dsizelist, versions 2 and 3: "/3 5 1275660208", then "1276528487.M364P9.host:2,S 2481
/// 4:1275660208:0".
ForeignIds read_courier_sizelist(std::string_view text);

/// Of a list that the administrator made from the replies of another server: "NAME ID" or "NUMBER ID" in each
/// line.
ForeignIds read_plain_ids(std::string_view text);

/// What the files beside the messages of a maildir say, the plain list first.
ForeignIds foreign_ids_of_maildir(const std::string& path);

/// For each message of an mbox its id, or "". Dovecot and c-client number messages in X-UID fields and have
/// the validity of the numbers in the first message; qpopper and mailutils write the id itself as X-UIDL,
/// which decides where mailutils had the mailbox last.
/// `list`: the path of a plain list, which decides where there is one.
std::vector<std::string> foreign_ids_of_mbox(const std::vector<ParsedMessage>& messages,
                                             const std::string& list);

}  // namespace postoffice
