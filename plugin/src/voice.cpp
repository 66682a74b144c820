// SPDX-License-Identifier: Apache-2.0
#include "voice.hpp"

namespace takes {

void Voice::play(float* left, float* right, uint32_t count, double speed)
{
    const double stride = speed * pitch;
    const auto end = static_cast<double>(sound->frames.size());
    for (uint32_t i = 0; i < count; ++i) {
        if (loops && position >= region.to) {
            position -= region.frames();
            went_round = true;
        }
        const double last = loops ? region.to : (region.to < sound->music.to ? region.to : end);
        if (position >= last) {
            sound = nullptr;
            return;
        }
        const Frame frame = loops ? sound->looped(position, region, went_round) : sound->at(position);
        left[i] += frame.left * gain * level;
        right[i] += frame.right * gain * level;
        position += stride;
        level += step;
        if (level >= 1.f) {
            level = 1.f;
            if (step > 0) step = 0;
        } else if (level <= 0.f && step < 0) {
            sound = nullptr;
            return;
        }
    }
}

}  // namespace takes
