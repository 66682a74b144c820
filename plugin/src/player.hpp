// The instrument as the audio thread sees it: keys, the host's transport, and the sound that is handed over.
//
// Nothing here allocates, locks, waits or calls the system. Knows nothing of the studio or of plug-in formats.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "handover.hpp"
#include "sound.hpp"
#include "voice.hpp"

#include <array>

namespace takes {

enum class Keys { kPitch, kSlices };
enum class Slice { kBar, kBeat, kHalfBeat };

/// What the knobs say, read once a block.
struct Knobs {
    Keys keys = Keys::kPitch;
    Slice slice = Slice::kBeat;
    bool loop = false;
    bool transport = false;      ///< the take follows the host's transport
    bool follow_tempo = true;    ///< the take keeps the host's tempo
    float gain = 1.f;
    float release_seconds = 0.03f;
};

/// Where the host is at the start of a block.
struct Transport {
    bool playing = false;
    double beats = 0;       ///< quarter notes since the song's start
    double tempo_bpm = 0;   ///< 0: the host does not say
};

class Player {
public:
    static constexpr int kRootNote = 60;        ///< plays the take as it is
    static constexpr int kFirstSliceNote = 36;  ///< plays the first slice
    static constexpr int kMaxNotes = 16;        ///< keys that sound at once

    ~Player();

    Handover<Sound>& handover() { return handover_; }
    void setRate(double rate_hz) { rate_hz_ = rate_hz; }

    /// Once a block, before its notes and frames.
    void begin(const Knobs& knobs, const Transport& transport, uint32_t block_frames);
    void noteOn(int note, float velocity);
    void noteOff(int note);
    void bend(double semitones) { bend_ = semitones; }
    void allOff();
    /// Fill `count` frames.
    void render(float* left, float* right, uint32_t count);
    /// Once a block, after its last frame.
    void finish();

    /// The tempo the playing sound was stretched for; 0 without a sound.
    double soundTempo() const { return current_ ? current_->tempo_bpm : 0; }

private:
    void swapSounds();
    void carryOver(Voice& voice);
    void followTransport(const Transport& transport, uint32_t block_frames);
    void start(const Voice& voice, double fade_frames);
    Voice& freeVoice();
    Region sliceOf(int index) const;
    double speed() const;
    double frames(double seconds) const { return seconds * rate_hz_; }

    Handover<Sound> handover_;
    const Sound* current_ = nullptr;  ///< what new voices read
    const Sound* leaving_ = nullptr;  ///< what fading voices may still read
    std::array<Voice, 2 * kMaxNotes + 8> voices_{};
    Knobs knobs_;
    double rate_hz_ = 48000, tempo_bpm_ = 0, bend_ = 0;
    double expected_beats_ = 0;  ///< where the transport should be at the start of this block
    float gain_ = 1.f;           ///< the gain the last block ended with
    double nudge_ = 1;           ///< how much faster the transport's voice runs, to close in on the transport
    uint64_t clock_ = 0;
};

}  // namespace takes
