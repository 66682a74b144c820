// The small forms in which the plug-in speaks and keeps things: lines of fields, numbers, base64.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

namespace takes {

/// "name value" a line, as the studio sends them and as the project's state keeps them; later lines win.
using Lines = std::map<std::string, std::string>;

Lines readLines(const std::string& text);
std::string field(const Lines& lines, const std::string& name);
double number(const std::string& text, double otherwise = 0);          ///< finite, whatever the host's locale
std::vector<double> numbers(const std::string& text);                  ///< separated by spaces
std::vector<std::string> split(const std::string& text, char at);
std::string written(double value, int decimals);                       ///< with a point, whatever the host's locale

/// Anything as one word of plain ASCII, and back (RFC 3986's percent-encoding).
std::string escaped(const std::string& text);
std::string unescaped(const std::string& text);

std::string toBase64(const std::string& bytes);
/// False where the text is no base64.
bool fromBase64(const std::string& text, std::string& bytes);

}  // namespace takes
