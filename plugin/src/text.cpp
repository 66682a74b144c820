// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <cmath>
#include <cstdint>
#include <locale>
#include <sstream>

namespace takes {

std::vector<std::string> split(const std::string& text, char at)
{
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
    return parts;
}

Lines readLines(const std::string& text)
{
    Lines lines;
    for (const std::string& line : split(text, '\n')) {
        const auto space = line.find(' ');
        if (space != std::string::npos && space > 0) lines[line.substr(0, space)] = line.substr(space + 1);
    }
    return lines;
}

std::string field(const Lines& lines, const std::string& name)
{
    const auto found = lines.find(name);
    return found == lines.end() ? std::string() : found->second;
}

double number(const std::string& text, double otherwise)
{
    std::istringstream stream(text);
    stream.imbue(std::locale::classic());
    double value;
    return stream >> value && std::isfinite(value) ? value : otherwise;
}

std::vector<double> numbers(const std::string& text)
{
    std::vector<double> values;
    std::istringstream stream(text);
    stream.imbue(std::locale::classic());
    for (double value; stream >> value && std::isfinite(value);) values.push_back(value);
    return values;
}

std::string written(double value, int decimals)
{
    std::ostringstream stream;
    stream.imbue(std::locale::classic());
    stream.setf(std::ios::fixed);
    stream.precision(decimals);
    stream << value;
    return stream.str();
}

// -------------------------------------------------------------------------------------------------------- escaping

std::string escaped(const std::string& text)
{
    static const char digits[] = "0123456789ABCDEF";
    std::string made;
    for (const char letter : text) {
        const auto code = static_cast<uint8_t>(letter);
        const bool plain = (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') || (code >= 'a' && code <= 'z') ||
                           code == '-' || code == '_' || code == '.' || code == '~';
        if (plain) made += letter;
        else (made += '%') += {digits[code >> 4], digits[code & 15]};
    }
    return made;
}

static int hexDigit(char letter)
{
    if (letter >= '0' && letter <= '9') return letter - '0';
    if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
    if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
    return -1;
}

std::string unescaped(const std::string& text)
{
    std::string made;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hexDigit(text[i + 1]) >= 0 && hexDigit(text[i + 2]) >= 0) {
            made += static_cast<char>(hexDigit(text[i + 1]) * 16 + hexDigit(text[i + 2]));
            i += 2;
        } else {
            made += text[i];
        }
    }
    return made;
}

// ---------------------------------------------------------------------------------------------------------- base64

static const char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string toBase64(const std::string& bytes)
{
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        uint32_t three = 0;
        for (std::size_t k = 0; k < 3; ++k)
            three = three << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0u);
        const std::size_t letters = bytes.size() - i + 1;  // as many letters as bytes, and one
        for (std::size_t k = 0; k < 4; ++k) text += k < letters ? kBase64[three >> (18 - 6 * k) & 63] : '=';
    }
    return text;
}

bool fromBase64(const std::string& text, std::string& bytes)
{
    int8_t value_of[256];
    for (int8_t& value : value_of) value = -1;
    for (int8_t i = 0; i < 64; ++i) value_of[static_cast<uint8_t>(kBase64[i])] = i;
    std::string made;
    made.reserve(text.size() / 4 * 3);
    uint32_t bits = 0;
    int held = 0;
    for (const char letter : text) {
        if (letter == '=') break;
        const int8_t value = value_of[static_cast<uint8_t>(letter)];
        if (value < 0) return false;
        bits = bits << 6 | static_cast<uint32_t>(value);
        if ((held += 6) >= 8) made += static_cast<char>(bits >> (held -= 8) & 255);
    }
    bytes.swap(made);
    return true;
}

}  // namespace takes
