// The parameters a host shows. Their order is what projects and automation know them by, so new ones come last.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "status.hpp"
#include "worker.hpp"

#include <cstdint>

namespace takes {

enum ParameterIndex : uint32_t {
    kGain,
    kKeys,
    kSlice,
    kLoop,
    kTransport,
    kFollowTempo,
    kRelease,
    kNewer,
    kOlder,
    kMake,
    kBars,
    kKey,
    kStatus,
    kProgress,
    kSoundTempo,
    kParameterCount
};

struct ParameterFacts {
    const char *name, *symbol, *unit;
    float standard, least, most;
    bool is_whole = false, is_switch = false, is_button = false, is_output = false;
};

inline const ParameterFacts& parameter(uint32_t index)
{
    constexpr float last_status = static_cast<float>(Status::kCount) - 1;
    static const ParameterFacts facts[kParameterCount] = {
        {"Gain", "gain", "dB", 0, -60, 12},
        {"Keys play", "keys", "", 0, 0, 1, true},
        {"Slice", "slice", "", 1, 0, 2, true},
        {"Loop", "loop", "", 0, 0, 1, false, true},
        {"With the transport", "transport", "", 0, 0, 1, false, true},
        {"Host tempo", "follow_tempo", "", 1, 0, 1, false, true},
        {"Release", "release", "ms", 30, 1, 5000},
        {"Newer take", "newer", "", 0, 0, 1, false, true, true},
        {"Older take", "older", "", 0, 0, 1, false, true, true},
        {"New take", "make", "", 0, 0, 1, false, true, true},
        {"Bars of a new take", "bars", "bars", 8, 1, 64, true},
        {"Key of a new take", "key", "", 0, 0, 24, true},
        {"Status", "status", "", 0, 0, last_status, true, false, false, true},
        {"Progress", "progress", "%", 0, 0, 100, false, false, false, true},
        {"Tempo of the sound", "sound_tempo", "bpm", 0, 0, 999, false, false, false, true},
    };
    return facts[index];
}

/// The words a parameter's whole values are shown as; nullptr past the last, and for one that is shown in figures.
inline const char* choice(uint32_t index, uint32_t value)
{
    static const char* const keys[] = {"The take, by pitch", "Its slices"};
    static const char* const slices[] = {"Bars", "Beats", "Half beats"};
    switch (index) {
    case kKeys: return value < 2 ? keys[value] : nullptr;
    case kSlice: return value < 3 ? slices[value] : nullptr;
    case kKey: return value == 0 ? "As it comes" : Worker::keyName(static_cast<int>(value));
    case kStatus: return value < static_cast<uint32_t>(Status::kCount) ? words(static_cast<Status>(value)) : nullptr;
    default: return nullptr;
    }
}

}  // namespace takes
