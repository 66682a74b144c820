// Where the host is, in quarter notes, out of what DPF passes on. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "player.hpp"

#include "DistrhoPlugin.hpp"

namespace takes {

inline Transport transportOf(const DISTRHO_NAMESPACE::TimePosition& position)
{
    const auto& at = position.bbt;
    Transport transport;
    transport.playing = position.playing;
    transport.tempo_bpm = at.beatsPerMinute > 1 && at.beatsPerMinute < 2000 ? at.beatsPerMinute : 0;
    const double beat = at.beat - 1 + (at.ticksPerBeat > 0 ? at.tick / at.ticksPerBeat : 0);
#ifdef DISTRHO_PLUGIN_TARGET_CLAP
    transport.beats = (at.bar - 1) * static_cast<double>(at.beatsPerBar) + beat;  // DPF counts quarters here, whatever the meter
#else
    const double quarters_a_beat = at.beatType > 0 ? 4.0 / at.beatType : 1;
    transport.beats = ((at.bar - 1) * static_cast<double>(at.beatsPerBar) + beat) * quarters_a_beat;
#endif
    if (!at.valid) transport.beats = 0;
    return transport;
}

}  // namespace takes
