// The little language in which SPF records name domains: "%{ir}.%{v}._spf.%{d2}". RFC 7208 section 7.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace postoffice {

/// Literals and macros, in any order. The macros %{c}, %{r} and %{t} are for explanations, of which there is
/// none here (section 7.2).
bool is_spf_macro_string(std::string_view text);
/// The same, with an end that can be that of a domain name: a macro, or a dot and a label that is no number.
bool is_spf_domain_spec(std::string_view text);

/// `text` must be one of the above; `value_of` is asked for letters s, l, o, d, i, p, v and h. Of a result
/// that is very long only the end is given: a domain name loses its labels from the left (section 7.3).
std::string expand_spf_macros(std::string_view text, const std::function<std::string(char letter)>& value_of);

}  // namespace postoffice
