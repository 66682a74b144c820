// One reading of a sound: where it is, how fast it goes, how loud it is, when it ends.
//
// Plain data, copied freely; everything here runs on the audio thread. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sound.hpp"

namespace takes {

struct Voice {
    static constexpr int kTransport = -1;  ///< the `note` of the voice that follows the host's transport

    const Sound* sound = nullptr;  ///< nullptr: the voice is free
    Region region;
    double position = 0;
    double pitch = 1;       ///< times as fast as the host's tempo asks for, by the key
    bool loops = false;
    bool went_round = false;
    bool held = false;      ///< its key is down
    int note = 0;
    float gain = 1;         ///< of its velocity
    float level = 0;        ///< its fade, 0 to 1, and what is added to it each frame
    float step = 0;
    uint64_t age = 0;       ///< when it began, to find the oldest

    bool isFree() const { return sound == nullptr; }
    bool isLeaving() const { return step < 0; }

    void fadeIn(double frames)
    {
        level = frames >= 1 ? 0.f : 1.f;
        step = frames >= 1 ? static_cast<float>(1.0 / frames) : 0.f;
    }
    void fadeOut(double frames)
    {
        const auto fall = static_cast<float>(-1.0 / (frames < 1 ? 1 : frames));
        if (!isLeaving() || fall < step) step = fall;  // what leaves already may only leave sooner
        held = false;
    }

    /// Add `count` frames to the outputs and move on; `speed`: frames of the sound to one of the host's, before pitch.
    void play(float* left, float* right, uint32_t count, double speed);
};

}  // namespace takes
