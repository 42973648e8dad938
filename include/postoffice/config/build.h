// What configure.sh decided for this executable. The only place that knows the macros on the command line of
// the compiler, so that a change of version or path recompiles one file.
#pragma once

#include <string>
#include <string_view>

namespace postoffice {

/// "0.2"
std::string_view version();
/// What can be left out and is there, for people: "TLS, PAM, TCP wrappers".
std::string_view features();
/// The folder of configuration files, "/etc".
std::string default_config_folder();
/// Path of the configuration file unless -C says otherwise.
std::string default_config_file();
/// The spool unless queue-dir= says otherwise.
std::string_view default_queue_dir();
/// What vhost-dir=, vhost-spool= and vhost-user= are unless they are set. Without a folder ("") there are no
/// virtual domains.
std::string_view default_vhost_dir();
std::string_view default_vhost_spool();
std::string_view default_vhost_user();

}  // namespace postoffice
