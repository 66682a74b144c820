// A take prepared for playing: stereo frames at some tempo, and where its music lies in them.
//
// Made on the worker thread, never changed afterwards, read on the audio thread. Knows nothing of notes or of hosts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace takes {

struct Frame {
    float left = 0.f, right = 0.f;
};

inline Frame operator+(Frame a, Frame b) { return {a.left + b.left, a.right + b.right}; }
inline Frame operator*(Frame a, float gain) { return {a.left * gain, a.right * gain}; }

/// A stretch of a sound in frames, [from, to).
struct Region {
    double from = 0, to = 0;
    double frames() const { return to - from; }
};

class Sound {
public:
    std::vector<Frame> frames;
    double rate_hz = 0;
    double tempo_bpm = 0;              ///< the host's tempo it is stretched for
    Region music;                      ///< whole bars, from the first downbeat
    bool rings = false;                ///< what lies behind the music is its last chord ringing out
    std::vector<double> beats, bars;   ///< where they begin, in frames, ascending, within the music

    double framesPerBeat() const { return tempo_bpm > 0 ? 60.0 * rate_hz / tempo_bpm : 0; }

    /// The sound at a place between frames; silence outside it. Catmull-Rom, and the frame itself on a frame.
    Frame at(double position) const;

    /// The same, of a region that is played round and round. `round` says that the region was played before.
    ///
    /// Where the region is the whole music, its ring sounds into the next round. Elsewhere, what leads up to the region
    /// fades in over its last milliseconds, so that the seam is no step.
    Frame looped(double position, const Region& region, bool round) const;

    /// Fade the last milliseconds out, so that a sound that ends in the middle of something ends without a click.
    void closeEnd();

private:
    Frame frame(std::ptrdiff_t index) const
    {
        return index >= 0 && index < static_cast<std::ptrdiff_t>(frames.size()) ? frames[index] : Frame{};
    }
    double seamFrames() const { return 0.008 * rate_hz; }
};

}  // namespace takes
