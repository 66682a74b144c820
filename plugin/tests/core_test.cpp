// What the instrument does, told without any host. SPDX-License-Identifier: Apache-2.0
#include "check.hpp"

#include "player.hpp"
#include "project.hpp"
#include "studio.hpp"
#include "text.hpp"
#include "wav.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>

using namespace takes;

namespace {

constexpr double kRate = 48000;
constexpr uint32_t kBlock = 64;

/// Sixteen beats at a tempo; every frame is `value(frame)`, and there are a beat's frames more that ring.
std::unique_ptr<Sound> music(double tempo_bpm, const std::function<float(double)>& value, bool rings = true)
{
    auto sound = std::make_unique<Sound>();
    sound->rate_hz = kRate;
    sound->tempo_bpm = tempo_bpm;
    const double beat = sound->framesPerBeat();
    sound->music = {0, 16 * beat};
    sound->rings = rings;
    sound->frames.resize(static_cast<std::size_t>(17 * beat));
    for (std::size_t i = 0; i < sound->frames.size(); ++i) {
        const float level = i < 16 * beat ? 1.f : static_cast<float>(1 - (static_cast<double>(i) - 16 * beat) / beat);
        const float sample = value(static_cast<double>(i)) * level;
        sound->frames[i] = {sample, sample};
    }
    for (int i = 0; i < 16; ++i) sound->beats.push_back(i * beat);
    for (int i = 0; i < 16; i += 4) sound->bars.push_back(i * beat);
    sound->closeEnd();
    return sound;
}

float tone(double frame) { return 0.5f * static_cast<float>(std::sin(2 * M_PI * 440 * frame / kRate)); }
float ramp(double frame) { return static_cast<float>(frame * 1e-6) + 0.1f; }

/// A host that plays blocks and keeps what it hears on the left.
struct Host {
    Player player;
    Knobs knobs;
    Transport transport;
    std::vector<float> heard;

    void play(double seconds)
    {
        for (auto left = static_cast<long>(seconds * kRate); left > 0; left -= kBlock) block();
    }
    void block(int note = -1, uint32_t at = 0)
    {
        float left[kBlock], right[kBlock];
        player.begin(knobs, transport, kBlock);
        player.render(left, right, at);
        if (note >= 0) player.noteOn(note, 1.f);
        player.render(left + at, right + at, kBlock - at);
        player.finish();
        heard.insert(heard.end(), left, left + kBlock);
        if (transport.playing) transport.beats += kBlock * transport.tempo_bpm / 60 / kRate;
    }
};

/// The greatest bend of a signal: what a click is made of. The second difference of a sine of 440 Hz and 0.5 is 0.0017.
double greatestBend(const std::vector<float>& heard, std::size_t from, std::size_t to)
{
    double most = 0;
    for (std::size_t i = std::max<std::size_t>(from, 2); i < std::min(to, heard.size()); ++i)
        most = std::max<double>(most, std::abs(heard[i] - 2 * heard[i - 1] + heard[i - 2]));
    return most;
}

}  // namespace

TEST(a_frame_is_read_as_it_is)
{
    const auto sound = music(120, ramp);
    CHECK(sound->at(1000).left == sound->frames[1000].left);
    CHECK(std::abs(sound->at(1000.5).left - ramp(1000.5)) < 1e-6);
    CHECK(sound->at(-5).left == 0 && sound->at(1e9).left == 0);
}

TEST(a_note_sounds_from_the_very_frame_it_was_asked_for)
{
    Host host;
    host.player.handover().give(music(120, ramp));
    host.transport.tempo_bpm = 120;
    host.block();
    host.block(60, 37);
    host.play(0.1);
    CHECK(host.heard[kBlock + 36] == 0.f);
    for (int i = 0; i < 1000; ++i) CHECK(host.heard[kBlock + 37 + i] == ramp(i));
}

TEST(a_key_an_octave_higher_goes_twice_as_fast)
{
    Host host;
    host.player.handover().give(music(120, ramp));
    host.transport.tempo_bpm = 120;
    host.block(72, 0);
    host.play(0.1);
    CHECK(std::abs(host.heard[1000] - ramp(2000)) < 1e-5);
}

TEST(every_key_has_its_slice)
{
    Host host;
    host.player.handover().give(music(120, ramp));
    host.transport.tempo_bpm = 120;
    host.knobs.keys = Keys::kSlices;
    host.block(36 + 3, 0);
    host.play(1);
    CHECK(std::abs(host.heard[1000] - ramp(3 * 24000 + 1000)) < 1e-5);
    CHECK(host.heard[23990] != 0 && host.heard[24010] == 0);  // a beat of it, no more
    host.heard.clear();
    host.knobs.slice = Slice::kHalfBeat;
    host.block(36 + 3, 0);
    host.play(1);
    CHECK(std::abs(host.heard[1000] - ramp(1.5 * 24000 + 1000)) < 1e-5);
    host.heard.clear();
    host.block(127, 0);  // there is no such slice
    CHECK(*std::max_element(host.heard.begin(), host.heard.end()) == 0);
}

TEST(the_transport_is_followed_to_the_frame)
{
    Host host;
    host.player.handover().give(music(120, ramp));
    host.knobs.transport = true;
    host.transport = {true, 5.25, 120};
    host.play(2);
    for (const int i : {100, 20000, 90000}) CHECK(std::abs(host.heard[i] - ramp(5.25 * 24000 + i)) < 2e-6);
    host.transport.beats = 1;  // the playhead is moved
    host.heard.clear();
    host.play(1);
    CHECK(std::abs(host.heard[1000] - ramp(24000 + 1000)) < 2e-6);
    host.transport.playing = false;
    host.play(0.1);
    host.heard.clear();
    host.play(0.1);
    CHECK(*std::max_element(host.heard.begin(), host.heard.end()) == 0);
}

TEST(the_transport_wraps_at_the_end_of_the_music)
{
    Host host;
    host.player.handover().give(music(120, ramp, false));
    host.knobs.transport = true;
    host.transport = {true, 33, 120};
    host.play(1);
    CHECK(std::abs(host.heard[1000] - ramp(24000 + 1000)) < 2e-6);
}

TEST(a_loop_goes_round_without_a_click)
{
    for (const bool rings : {true, false}) {
        Host host;
        host.player.handover().give(music(113, tone, rings));
        host.transport.tempo_bpm = 113;
        host.knobs.loop = true;
        host.block(60, 0);
        host.play(20);
        const auto loop = static_cast<std::size_t>(16 * 60 * kRate / 113);
        CHECK(host.heard.size() > 2 * loop);
        CHECK(greatestBend(host.heard, loop - 2000, loop + 2000) < 0.04);  // the tone starts as a tone does
        CHECK(greatestBend(host.heard, 100, loop - 2000) < 0.0018);
    }
}

TEST(a_change_of_tempo_makes_no_click_and_keeps_the_beat)
{
    Host host;
    host.player.handover().give(music(120, tone));
    host.knobs.transport = true;
    host.transport = {true, 0, 120};
    host.play(3);
    host.transport.tempo_bpm = 97;  // the old sound goes on, slower, until the new one is there
    host.play(1);
    host.player.handover().give(music(97, tone));
    host.play(12);
    CHECK(greatestBend(host.heard, 100, 6 * 48000) < 0.0075);  // a pitch that turns; a cut would be 0.5
    CHECK(host.player.soundTempo() == 97);
}

TEST(the_place_in_the_music_survives_a_change_of_tempo)
{
    Host host;
    const auto beats = [](double tempo) { return [tempo](double frame) { return static_cast<float>(frame * tempo / 60 / kRate / 32); }; };
    host.player.handover().give(music(120, beats(120)));
    host.knobs.transport = true;
    host.transport = {true, 0, 120};
    host.play(2);
    host.transport.tempo_bpm = 90;
    host.play(1);
    CHECK(std::abs(host.heard.back() * 32 - host.transport.beats) < 0.001);
    host.player.handover().give(music(90, beats(90)));
    host.play(1);
    CHECK(std::abs(host.heard.back() * 32 - host.transport.beats) < 0.001);
}

TEST(old_sounds_go_back_to_be_freed)
{
    Host host;
    host.transport.tempo_bpm = 120;
    for (int i = 0; i < 50; ++i) {
        host.player.handover().give(music(120, tone));
        host.block(60 + i % 12, 0);
        host.play(0.05);
        host.player.handover().tidy();
    }
    CHECK(host.player.soundTempo() == 120);  // the address checker sees to the rest
}

TEST(more_keys_than_there_are_voices_do_no_harm)
{
    Host host;
    host.player.handover().give(music(120, tone));
    host.transport.tempo_bpm = 120;
    for (int i = 0; i < 400; ++i) host.block(24 + i % 80, static_cast<uint32_t>(i % kBlock));
    for (const float sample : host.heard) CHECK(std::isfinite(sample));
}

// ------------------------------------------------------------------------------------------------------- what is kept

static std::string littleWav(int frames)
{
    std::string data;
    for (int i = 0; i < frames; ++i)
        for (int channel = 0; channel < 2; ++channel) {
            const auto value = static_cast<int16_t>(i * (channel ? -7 : 7));
            data += static_cast<char>(value & 255);
            data += static_cast<char>(value >> 8 & 255);
        }
    const auto word = [](uint32_t value, int count) {
        std::string text;
        for (int i = 0; i < count; ++i) text += static_cast<char>(value >> (8 * i) & 255);
        return text;
    };
    return "RIFF" + word(36 + static_cast<uint32_t>(data.size()), 4) + "WAVEfmt " + word(16, 4) + word(1, 2) + word(2, 2) +
           word(48000, 4) + word(48000 * 4, 4) + word(4, 2) + word(16, 2) + "data" + word(static_cast<uint32_t>(data.size()), 4) + data;
}

TEST(a_wav_is_read_and_a_damaged_one_refused)
{
    Wav wav;
    const std::string whole = littleWav(500);
    CHECK(readWav(whole, wav) && wav.frames.size() == 500 && wav.rate_hz == 48000);
    CHECK(std::abs(wav.frames[100].left - 700 / 32768.f) < 1e-7 && std::abs(wav.frames[100].right + 700 / 32768.f) < 1e-7);
    for (std::size_t length = 0; length < whole.size(); length += 13) {
        Wav cut;
        CHECK(!readWav(whole.substr(0, length), cut) && cut.frames.empty());
    }
    std::mt19937 chance(7);
    for (int i = 0; i < 5000; ++i) {  // whatever comes, it is read or refused
        std::string broken = whole;
        for (int k = 0; k < 4; ++k) broken[chance() % 60] = static_cast<char>(chance());
        Wav any;
        readWav(broken, any);
    }
}

TEST(bytes_survive_base64)
{
    std::mt19937 chance(3);
    for (std::size_t length = 0; length < 200; ++length) {
        std::string bytes, back;
        for (std::size_t i = 0; i < length; ++i) bytes += static_cast<char>(chance());
        CHECK(fromBase64(toBase64(bytes), back) && back == bytes);
    }
    std::string none = "before";
    CHECK(!fromBase64("no base64!", none) && none == "before");
    CHECK(toBase64("Ma") == "TWE=");
}

TEST(text_survives_escaping)
{
    const std::string text = "Größe 100 %\n“quoted”\ttab";
    CHECK(unescaped(escaped(text)) == text);
    CHECK(escaped(text).find_first_of(" \n\t") == std::string::npos);
    CHECK(unescaped("100%") == "100%" && unescaped("%zz") == "%zz");
}

TEST(a_take_survives_the_project)
{
    KeptTake kept, back;
    kept.facts = {{"id", "20261126-010203-abcdef"}, {"title", escaped("Ünïcode, “title”")}, {"tempo", "120"}, {"used", "97"}, {"asked", "97"}};
    kept.wav = littleWav(4000);
    CHECK(fromState(toState(kept), back));
    CHECK(back.facts == kept.facts && back.wav == kept.wav);
    CHECK(!fromState("garbage", back) && back.wav == kept.wav);
    CHECK(fromState("", back) && back.isEmpty());
}

TEST(a_stretched_take_has_its_beats_where_they_came_to_lie)
{
    KeptTake kept;
    kept.facts = {{"tempo", "120"}, {"used", "60"}, {"asked", "60"}, {"bars", "0 2"}, {"beats", "0 0.5 1 1.5 2 2.5 3 3.5"}, {"end", "4"}};
    kept.wav = littleWav(8 * 48000 + 100);
    const auto sound = prepare(kept);
    CHECK(sound && sound->beats.size() == 8 && sound->bars.size() == 2);
    CHECK(std::abs(sound->beats[1] - 48000) < 1e-6 && std::abs(sound->music.to - 8 * 48000) < 1e-6);
    kept.facts = {{"tempo", "nan"}, {"used", "-3"}, {"bars", "9 8 7 inf"}, {"beats", "x"}, {"end", "1e300"}};
    const auto odd = prepare(kept);  // facts that make no sense leave the sound as it is
    CHECK(odd && odd->beats.empty() && odd->music.frames() >= 64);
}

TEST(a_studios_place_is_read_as_the_page_copies_it)
{
    const std::string token(43, 'x');
    StudioPlace place;
    CHECK(readPlace("address 127.0.0.1\r\nport 7861\r\ntoken " + token + "\r\n", place));
    CHECK(place.address == "127.0.0.1" && place.port == 7861 && place.token == token);
    CHECK(readPlace("  " + token + "\n", place) && place.port == 7860 && place.token == token);
    for (const char* const wrong : {"", "milk, bread", "port 7860", "address 127.0.0.1\nport 0\ntoken x\n", "address ::1\nport 7860\n"})
        CHECK(!readPlace(wrong, place));
    CHECK(!readPlace(std::string(5000, 'x'), place));
}

int main()
{
    for (const auto& [name, body] : allTests()) {
        const int before = failures();
        body();
        std::printf("%s %s\n", failures() == before ? "ok    " : "FAILED", name.c_str());
    }
    return failures() ? 1 : 0;
}
