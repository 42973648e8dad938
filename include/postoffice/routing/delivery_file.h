// What a delivery file says: a user's .forward in sendmail's form, forward(5), with the branches of
// qmail-branch; or a dot-qmail file. Only the text: where such a file is found, and whether it may be
// believed, is in routing/user_files.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/result.h"
#include "postoffice/routing/alias_file.h"

namespace postoffice {

/// The two dialects agree on comments, programs, files and branches; they differ in addresses
/// ("bob, carol" here, "&bob" there), in what "./" means, and in what an empty file says.
enum class DeliveryDialect { forward, qmail };

/// One thing to do, in the order of the file.
struct Instruction {
    enum class Kind {
        deliver,  ///< to `target`
        branch,   ///< "?label command": the command, and with exit status 99 on to the label; without a
                  ///< command always
        label,    ///< ":label"
    } kind = Kind::deliver;
    AliasTarget target;   ///< deliver; never an :include:
    std::string label;    ///< branch, label; may be empty
    std::string command;  ///< branch
    unsigned line = 0;
};

struct DeliveryFile {
    std::vector<Instruction> instructions;
    /// Nothing but comments, and labels, which are comments where nothing jumps to them: the mailbox.
    bool says_nothing() const;
    bool runs_in_order = false;  ///< what happens can be told only by running it, in order
};

/// Larger files are not read.
inline constexpr std::size_t most_delivery_file_octets = 64 * 1024;

/// The whole file, or "line N: what is wrong": half a file is not what its owner wrote.
Result<DeliveryFile> parse_delivery_file(std::string_view text, DeliveryDialect dialect);

}  // namespace postoffice
