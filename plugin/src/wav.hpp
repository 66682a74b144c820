// WAV files (RIFF, PCM of 16 or 24 bits, float of 32) out of bytes that may be anything. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sound.hpp"

#include <string>
#include <vector>

namespace takes {

struct Wav {
    double rate_hz = 0;
    std::vector<Frame> frames;
};

/// Read a WAV; a mono one comes out on both sides. False where it is none, or is cut off; `wav` is then untouched.
bool readWav(const std::string& bytes, Wav& wav);

}  // namespace takes
