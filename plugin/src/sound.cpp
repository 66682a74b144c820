// SPDX-License-Identifier: Apache-2.0
#include "sound.hpp"

#include <algorithm>
#include <cmath>

namespace takes {

static float between(float before, float a, float b, float after, float t)
{
    const float slope = 0.5f * (b - before);
    const float bend = before - 2.5f * a + 2.f * b - 0.5f * after;
    const float twist = 0.5f * (after - before) + 1.5f * (a - b);
    return ((twist * t + bend) * t + slope) * t + a;
}

Frame Sound::at(double position) const
{
    const double floor = std::floor(position);
    const auto index = static_cast<std::ptrdiff_t>(floor);
    const auto t = static_cast<float>(position - floor);
    if (t == 0.f) return frame(index);
    const Frame before = frame(index - 1), a = frame(index), b = frame(index + 1), after = frame(index + 2);
    return {between(before.left, a.left, b.left, after.left, t), between(before.right, a.right, b.right, after.right, t)};
}

Frame Sound::looped(double position, const Region& region, bool round) const
{
    const double length = region.frames();
    if (rings && region.from == music.from && region.to == music.to)
        return round ? at(position) + at(position + length) : at(position);
    const double seam = std::min(seamFrames(), length / 4);
    const double into = position - (region.to - seam);
    if (into <= 0) return at(position);
    const auto rise = static_cast<float>(into / seam);
    const double lead = position - length;
    return at(position) * (1.f - rise) + (lead >= 0 ? at(lead) * rise : Frame{});
}

void Sound::closeEnd()
{
    const auto fade = std::min(frames.size(), static_cast<std::size_t>(seamFrames()));
    for (std::size_t i = 0; i < fade; ++i)
        frames[frames.size() - 1 - i] = frames[frames.size() - 1 - i] * (static_cast<float>(i) / static_cast<float>(fade));
}

}  // namespace takes
