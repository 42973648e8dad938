// The forms of a line of the log, `log-format=`: text for people and grep, or a JSON object for programs.
#pragma once

namespace postoffice {

enum class LogFormat { text, json };

}  // namespace postoffice
