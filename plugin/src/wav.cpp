// SPDX-License-Identifier: Apache-2.0
#include "wav.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace takes {

namespace {

uint32_t little(const std::string& bytes, std::size_t at, int count)
{
    uint32_t value = 0;
    for (int i = 0; i < count; ++i) value |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
    return value;
}

struct Format {
    uint32_t tag = 0, channels = 0, rate_hz = 0, bits = 0;
    bool isKnown() const
    {
        const bool pcm = tag == 1 && (bits == 16 || bits == 24);
        return channels >= 1 && channels <= 8 && rate_hz >= 4000 && rate_hz <= 768000 && (pcm || (tag == 3 && bits == 32));
    }
};

float sample(const std::string& bytes, std::size_t at, const Format& format)
{
    if (format.bits == 16) return static_cast<int16_t>(little(bytes, at, 2)) / 32768.f;
    if (format.bits == 24) return static_cast<int32_t>(little(bytes, at, 3) << 8) / 2147483648.f;
    const uint32_t raw = little(bytes, at, 4);
    float value;
    std::memcpy(&value, &raw, sizeof value);
    return std::isfinite(value) ? value : 0.f;
}

}  // namespace

bool readWav(const std::string& bytes, Wav& wav)
{
    if (bytes.size() < 12 || bytes.compare(0, 4, "RIFF") != 0 || bytes.compare(8, 4, "WAVE") != 0) return false;
    Format format;
    for (std::size_t at = 12; at + 8 <= bytes.size();) {
        const std::size_t length = little(bytes, at + 4, 4), body = at + 8;
        if (length > bytes.size() - body) return false;
        if (bytes.compare(at, 4, "fmt ") == 0 && length >= 16) {
            format = {little(bytes, body, 2), little(bytes, body + 2, 2), little(bytes, body + 4, 4), little(bytes, body + 14, 2)};
            if (format.tag == 0xFFFE && length >= 26) format.tag = little(bytes, body + 24, 2);  // "extensible"
        } else if (bytes.compare(at, 4, "data") == 0) {
            if (!format.isKnown()) return false;
            const std::size_t width = format.bits / 8, stride = width * format.channels, count = length / stride;
            if (count == 0) return false;
            wav.rate_hz = format.rate_hz;
            wav.frames.resize(count);
            const std::size_t right = format.channels > 1 ? width : 0;
            for (std::size_t i = 0; i < count; ++i)
                wav.frames[i] = {sample(bytes, body + i * stride, format), sample(bytes, body + i * stride + right, format)};
            return true;
        }
        at = body + length + (length & 1);
    }
    return false;
}

}  // namespace takes
