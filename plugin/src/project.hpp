// What a host's project keeps of a take: its facts and its whole sound, as one string; and the way from there, or from
// the studio's answers, to a sound ready to be played. Never on the audio thread. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sound.hpp"
#include "text.hpp"

#include <memory>
#include <string>

namespace takes {

/// A take as it is kept.
///
/// facts: the studio's lines about it. id, title; tempo: its own, beats a minute; beats, bars: where they begin in its own
/// time, in seconds; end: where the music ends there, in seconds; rings: whether its last chord rings on after that; and
/// of this sound, asked: the host's tempo it was fetched for, 0 for none; used: the tempo it was stretched to.
struct KeptTake {
    Lines facts;
    std::string wav;

    std::string id() const { return field(facts, "id"); }
    double askedTempo() const { return number(field(facts, "asked")); }
    bool isEmpty() const { return wav.empty(); }
};

/// The take ready to be played, or nothing where its sound is no WAV or its facts make no sense.
std::unique_ptr<Sound> prepare(const KeptTake& kept);

std::string toState(const KeptTake& kept);
/// False where the text is no kept take; an empty text is an empty one.
bool fromState(const std::string& text, KeptTake& kept);

}  // namespace takes
