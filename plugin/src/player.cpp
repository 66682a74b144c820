// SPDX-License-Identifier: Apache-2.0
#include "player.hpp"

#include <algorithm>
#include <cmath>

namespace takes {

namespace {
constexpr double kHandoverSeconds = 0.015;  // one sound fades into the next
constexpr double kStopSeconds = 0.005;      // what is cut off fades
constexpr double kEntrySeconds = 0.001;     // what begins in the middle of a sound fades in
constexpr double kJumpFrames = 32;          // a transport further off than this has been moved
constexpr double kLeastFrames = 64;         // a region shorter than this is no music
}  // namespace

Player::~Player()
{
    delete current_;
    delete leaving_;
}

void Player::begin(const Knobs& knobs, const Transport& transport, uint32_t block_frames)
{
    knobs_ = knobs;
    tempo_bpm_ = transport.tempo_bpm;
    swapSounds();
    followTransport(transport, block_frames);
}

/// Frames of the sound to one of the host's, at the key that plays it as it is.
double Player::speed() const
{
    const double by_rate = current_->rate_hz / rate_hz_;
    if (!knobs_.follow_tempo || current_->tempo_bpm <= 0 || tempo_bpm_ <= 0) return by_rate;
    const double by_tempo = tempo_bpm_ / current_->tempo_bpm;
    return std::abs(by_tempo - 1) < 1e-6 ? by_rate : by_rate * by_tempo;  // frame by frame where nothing differs
}

// ---------------------------------------------------------------------------------------------------- handing over

/// Take a new sound if one was offered: every voice fades out on the old one and in on the new, at the same beat.
void Player::swapSounds()
{
    if (leaving_) return;  // one at a time: the next one waits
    const Sound* fresh = handover_.take();
    if (!fresh) return;
    leaving_ = current_;
    current_ = fresh;
    if (!leaving_) return;
    const auto before = voices_;
    for (std::size_t i = 0; i < before.size(); ++i)
        if (!before[i].isFree() && !before[i].isLeaving()) {
            voices_[i].fadeOut(frames(kHandoverSeconds));
            carryOver(voices_[i]);
        }
}

void Player::carryOver(Voice& old)
{
    Voice voice = old;
    const double scale = leaving_->framesPerBeat() > 0 && current_->framesPerBeat() > 0
                             ? current_->framesPerBeat() / leaving_->framesPerBeat()
                             : current_->rate_hz / leaving_->rate_hz;
    voice.sound = current_;
    voice.held = true;
    voice.region = old.note == Voice::kTransport || knobs_.keys == Keys::kPitch
                       ? current_->music
                       : sliceOf(old.note - kFirstSliceNote);
    voice.position = voice.region.from + (old.position - old.region.from) * scale;
    if (voice.loops && voice.region.frames() > 0)
        voice.position = voice.region.from + std::fmod(voice.position - voice.region.from, voice.region.frames());
    if (voice.region.frames() >= kLeastFrames) start(voice, frames(kHandoverSeconds));
}

/// Give the old sound back once nothing reads it any more.
void Player::finish()
{
    if (!leaving_) return;
    for (const Voice& voice : voices_)
        if (voice.sound == leaving_) return;
    if (handover_.putBack(const_cast<Sound*>(leaving_))) leaving_ = nullptr;
}

// ------------------------------------------------------------------------------------------------------- transport

/// Keep one looping voice on the host's beats: start it, stop it, move it with the playhead, hold it within a frame.
void Player::followTransport(const Transport& transport, uint32_t block_frames)
{
    Voice* voice = nullptr;
    for (Voice& each : voices_)
        if (!each.isFree() && each.note == Voice::kTransport && !each.isLeaving()) voice = &each;

    const bool plays = knobs_.transport && transport.playing && transport.tempo_bpm > 0 && current_ &&
                       current_->framesPerBeat() > 0 && current_->music.frames() >= kLeastFrames;
    const double frames_a_beat = transport.tempo_bpm > 0 ? 60 * rate_hz_ / transport.tempo_bpm : 0;
    const double off = (transport.beats - expected_beats_) * frames_a_beat;
    expected_beats_ = frames_a_beat > 0 ? transport.beats + block_frames / frames_a_beat : 0;
    nudge_ = 1;
    if (!plays) {
        if (voice) voice->fadeOut(frames(kStopSeconds));
        return;
    }
    const Region& music = current_->music;
    double in = std::fmod(transport.beats * current_->framesPerBeat(), music.frames());
    if (in < 0) in += music.frames();
    const double target = music.from + in;
    if (voice && std::abs(off) <= kJumpFrames) {
        if (!knobs_.follow_tempo) return;  // runs freely at its own tempo
        double error = target - voice->position;
        if (error > music.frames() / 2) error -= music.frames();
        if (error < -music.frames() / 2) error += music.frames();
        if (std::abs(error) <= 1) return;
        if (std::abs(error) <= kJumpFrames) {  // a little off: closed in on within this block, without a step
            nudge_ = 1 + error / (speed() * block_frames);
            nudge_ = std::clamp(nudge_, 0.5, 2.0);
            return;
        }
    }
    if (voice) voice->fadeOut(frames(kStopSeconds));
    Voice fresh;
    fresh.sound = current_;
    fresh.region = music;
    fresh.note = Voice::kTransport;
    fresh.loops = fresh.held = true;
    fresh.went_round = transport.beats * current_->framesPerBeat() >= music.frames() - 0.5;
    fresh.position = std::round(target);
    if (fresh.position >= music.to) fresh.position = music.from;
    start(fresh, fresh.position == music.from && !voice ? 0 : frames(kEntrySeconds));
}

// ------------------------------------------------------------------------------------------------------------ keys

void Player::noteOn(int note, float velocity)
{
    if (!current_) return;
    Voice voice;
    voice.sound = current_;
    voice.note = note;
    voice.gain = velocity;
    voice.held = true;
    voice.loops = knobs_.loop;
    if (knobs_.keys == Keys::kPitch) {
        voice.region = current_->music;
        voice.pitch = std::exp2((note - kRootNote) / 12.0);
    } else {
        voice.region = sliceOf(note - kFirstSliceNote);
    }
    voice.position = std::round(voice.region.from);
    if (voice.region.frames() < kLeastFrames) return;
    int sounding = 0;
    Voice* oldest = nullptr;
    for (Voice& each : voices_)
        if (!each.isFree() && !each.isLeaving() && each.note != Voice::kTransport) {
            ++sounding;
            if (each.note == note) each.fadeOut(frames(kStopSeconds));  // the same key again
            if (!oldest || each.age < oldest->age) oldest = &each;
        }
    if (sounding >= kMaxNotes && oldest) oldest->fadeOut(frames(kStopSeconds));
    start(voice, voice.position > 0 ? frames(kEntrySeconds) : 0);
}

void Player::noteOff(int note)
{
    for (Voice& voice : voices_)
        if (!voice.isFree() && voice.held && voice.note == note) voice.fadeOut(frames(knobs_.release_seconds));
}

void Player::allOff()
{
    for (Voice& voice : voices_)
        if (!voice.isFree() && voice.note != Voice::kTransport) voice.fadeOut(frames(kStopSeconds));
}

/// The slice on a key, by the knob: a bar, a beat or half of one; an empty region past the last.
Region Player::sliceOf(int index) const
{
    const bool halves = knobs_.slice == Slice::kHalfBeat;
    const std::vector<double>& starts = knobs_.slice == Slice::kBar ? current_->bars : current_->beats;
    const int which = halves ? index / 2 : index;
    if (index < 0 || which >= static_cast<int>(starts.size())) return {};
    const double from = starts[which];
    const double to = which + 1 < static_cast<int>(starts.size()) ? starts[which + 1] : current_->music.to;
    const double middle = 0.5 * (from + to);
    if (!halves) return {from, to};
    return index % 2 ? Region{middle, to} : Region{from, middle};
}

// ---------------------------------------------------------------------------------------------------------- voices

void Player::start(const Voice& voice, double fade_frames)
{
    Voice& slot = freeVoice();
    slot = voice;
    slot.age = ++clock_;
    slot.fadeIn(fade_frames);
}

/// A free voice; if there is none, the one that has the least left to say.
Voice& Player::freeVoice()
{
    Voice* quietest = nullptr;
    for (Voice& voice : voices_) {
        if (voice.isFree()) return voice;
        if (voice.isLeaving() && (!quietest || voice.level < quietest->level)) quietest = &voice;
    }
    return quietest ? *quietest : voices_.front();
}

void Player::render(float* left, float* right, uint32_t count)
{
    std::fill(left, left + count, 0.f);
    std::fill(right, right + count, 0.f);
    if (!current_) return;
    const double here = speed();
    const double bent = bend_ == 0 ? 1 : std::exp2(bend_ / 12);
    for (Voice& voice : voices_) {
        if (voice.isFree()) continue;
        double speed_of_it = here;
        if (voice.sound != current_)  // it keeps its place in the music while it fades
            speed_of_it *= (knobs_.follow_tempo && current_->tempo_bpm > 0 && voice.sound->tempo_bpm > 0)
                               ? voice.sound->framesPerBeat() / current_->framesPerBeat()
                               : voice.sound->rate_hz / current_->rate_hz;
        voice.play(left, right, count, voice.note == Voice::kTransport ? speed_of_it * nudge_ : speed_of_it * bent);
    }
    const float step = count ? (knobs_.gain - gain_) / static_cast<float>(count) : 0.f;  // a turned knob makes no steps
    for (uint32_t i = 0; i < count; ++i) {
        gain_ += step;
        left[i] *= gain_;
        right[i] *= gain_;
    }
    gain_ = knobs_.gain;
}

}  // namespace takes
