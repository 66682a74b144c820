// The smallest CLAP host that can do three things: hear the plug-in, watch its audio thread, and time many of them.
//
//   small-host hear PLUGIN SECONDS BPM        waits for a take, plays key 60 at frame 1000, writes what it hears as raw floats
//   small-host watch PLUGIN SECONDS [sin]     runs it under the eyes of watch.cpp; `sin` does what is forbidden, to be seen
//   small-host time PLUGIN COUNT BLOCK SECONDS   COUNT of them, all sounding, by the CPU time of the thread that runs them
//
// Results are lines of "name value" on the standard output. SPDX-License-Identifier: Apache-2.0
#include "watch.hpp"

#include "clap/entry.h"
#include "clap/ext/params.h"
#include "clap/plugin-factory.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

constexpr double kRate = 48000;
enum Parameter : clap_id { kKeys = 1, kLoop = 3, kTransport = 4, kSoundTempo = 14, kStatus = 12 };

[[noreturn]] void fail(const std::string& why)
{
    std::fprintf(stderr, "small-host: %s\n", why.c_str());
    std::exit(2);
}

const clap_host_t* host()
{
    static const clap_host_t self = {
        CLAP_VERSION, nullptr, "small-host", "MusicGen Studio", "", "1",
        [](const clap_host_t*, const char*) -> const void* { return nullptr; },
        [](const clap_host_t*) {}, [](const clap_host_t*) {}, [](const clap_host_t*) {}};
    return &self;
}

const clap_plugin_factory_t* open(const char* path)
{
    void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail(dlerror());
    const auto* const entry = static_cast<const clap_plugin_entry_t*>(dlsym(library, "clap_entry"));
    if (!entry || !entry->init(path)) fail("no CLAP entry");
    const auto* const factory = static_cast<const clap_plugin_factory_t*>(entry->get_factory(CLAP_PLUGIN_FACTORY_ID));
    if (!factory || factory->get_plugin_count(factory) != 1) fail("no CLAP factory of one plug-in");
    return factory;
}

/// A plug-in at work, and what a block is made of.
class Instance {
public:
    Instance(const clap_plugin_factory_t* factory, uint32_t block) : block_(block), left_(block), right_(block)
    {
        const char* const id = factory->get_plugin_descriptor(factory, 0)->id;
        plugin_ = factory->create_plugin(factory, host(), id);
        if (!plugin_ || !plugin_->init(plugin_)) fail("the plug-in cannot be made");
        if (!plugin_->activate(plugin_, kRate, 1, block) || !plugin_->start_processing(plugin_)) fail("it cannot be started");
        parameters_ = static_cast<const clap_plugin_params_t*>(plugin_->get_extension(plugin_, CLAP_EXT_PARAMS));
    }

    double value(clap_id parameter) const
    {
        double found = 0;
        parameters_->get_value(plugin_, parameter, &found);
        return found;
    }

    // What the next block begins with; no memory is touched, so that the watched thread may call these.
    void set(clap_id parameter, double to)
    {
        clap_event_param_value_t event{};
        event.header = {sizeof event, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, 0};
        event.param_id = parameter;
        event.note_id = event.port_index = event.channel = event.key = -1;
        event.value = to;
        values_[value_count_++ % 8] = event;
    }
    void note(int key, bool on, uint32_t at = 0)
    {
        clap_event_midi_t event{};
        event.header = {sizeof event, at, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_MIDI, 0};
        event.data[0] = on ? 0x90 : 0x80;
        event.data[1] = static_cast<uint8_t>(key);
        event.data[2] = 127;
        notes_[note_count_++ % 8] = event;
    }

    void run(double beats, double bpm, bool playing)
    {
        clap_event_transport_t transport{};
        transport.header = {sizeof transport, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_TRANSPORT, 0};
        transport.flags = CLAP_TRANSPORT_HAS_TEMPO | CLAP_TRANSPORT_HAS_BEATS_TIMELINE | CLAP_TRANSPORT_HAS_TIME_SIGNATURE;
        if (playing) transport.flags |= CLAP_TRANSPORT_IS_PLAYING;
        transport.tempo = bpm;
        transport.song_pos_beats = static_cast<clap_beattime>(std::llround(beats * CLAP_BEATTIME_FACTOR));
        transport.tsig_num = transport.tsig_denom = 4;
        const clap_input_events_t in = {this,
            [](const clap_input_events_t* list) { return of(list).value_count_ + of(list).note_count_; },
            [](const clap_input_events_t* list, uint32_t i) -> const clap_event_header_t* {
                const Instance& self = of(list);
                return i < self.value_count_ ? &self.values_[i].header : &self.notes_[i - self.value_count_].header;
            }};
        const clap_output_events_t out = {nullptr, [](const clap_output_events_t*, const clap_event_header_t*) { return true; }};
        float* channels[2] = {left_.data(), right_.data()};
        clap_audio_buffer_t audio{};
        audio.data32 = channels;
        audio.channel_count = 2;
        clap_process_t process{};
        process.steady_time = -1;
        process.frames_count = block_;
        process.transport = &transport;
        process.audio_outputs = &audio;
        process.audio_outputs_count = 1;
        process.in_events = &in;
        process.out_events = &out;
        plugin_->process(plugin_, &process);
        value_count_ = note_count_ = 0;
    }

    const std::vector<float>& left() const { return left_; }
    float peak() const
    {
        float most = 0;
        for (const float sample : left_) most = std::max(most, std::abs(sample));
        return most;
    }
    void close()
    {
        plugin_->stop_processing(plugin_);
        plugin_->deactivate(plugin_);
        plugin_->destroy(plugin_);
    }

private:
    static const Instance& of(const clap_input_events_t* list) { return *static_cast<const Instance*>(list->ctx); }

    const clap_plugin_t* plugin_ = nullptr;
    const clap_plugin_params_t* parameters_ = nullptr;
    uint32_t block_, value_count_ = 0, note_count_ = 0;
    std::vector<float> left_, right_;
    clap_event_param_value_t values_[8];
    clap_event_midi_t notes_[8];
};

/// Run blocks in about real time until the take has come for this tempo.
bool waitForSound(std::vector<std::unique_ptr<Instance>>& instances, double bpm, double seconds)
{
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < until) {
        bool all = true;
        for (auto& each : instances) {
            each->run(0, bpm, false);
            all = all && std::abs(each->value(kSoundTempo) - bpm) < 0.001;
        }
        if (all) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
}

int hear(const char* path, double seconds, double bpm)
{
    constexpr uint32_t block = 256;
    std::vector<std::unique_ptr<Instance>> one;
    one.push_back(std::make_unique<Instance>(open(path), block));
    if (!waitForSound(one, bpm, 120)) fail("no sound came");
    std::vector<float> heard;
    for (uint32_t frame = 0; frame < seconds * kRate; frame += block) {
        if (frame <= 1000 && 1000 < frame + block) one[0]->note(60, true, 1000 - frame);
        one[0]->run(0, bpm, false);
        heard.insert(heard.end(), one[0]->left().begin(), one[0]->left().end());
    }
    one[0]->close();
    std::fwrite(heard.data(), sizeof(float), heard.size(), stdout);
    return 0;
}

int watch(const char* path, double seconds, bool sin)
{
    constexpr uint32_t block = 64;
    std::vector<std::unique_ptr<Instance>> one;
    one.push_back(std::make_unique<Instance>(open(path), block));
    if (!waitForSound(one, 120, 120)) fail("no sound came");
    std::atomic<long> allowed{0}, done{0};
    std::atomic<int> refuses{-1};
    std::atomic<float> peak{0};
    std::atomic<long> sounds{0};
    const long blocks = std::lround(seconds * kRate / block);
    void* const before = malloc(100);
    std::thread audio([&] {
        Instance& plugin = *one[0];
        double beats = 0, tempo_before = 0;
        refuses = refuseSystemCalls();
        watchThisThread(true);
        for (long i = 0; i < blocks; ++i) {
            while (allowed.load(std::memory_order_relaxed) <= i) {}  // in real time, without a system call
            // Everything a host does: keys of both kinds, loops, a playhead that runs and jumps, a tempo that changes.
            const double bpm = (i / 1500) % 2 ? 97 : 120;
            if (i % 400 == 0) plugin.set(kKeys, (i / 400) % 2);
            if (i % 700 == 0) plugin.set(kLoop, (i / 700) % 2);
            if (i % 900 == 0) plugin.set(kTransport, (i / 900) % 2);
            if (i % 90 == 0) plugin.note(36 + static_cast<int>(i / 90) % 40, true, static_cast<uint32_t>(i % block));
            if (i % 90 == 60) plugin.note(36 + static_cast<int>(i / 90) % 40, false);
            if (i % 2000 == 0) beats = 7.3;
            plugin.run(beats, bpm, true);
            beats += block * bpm / 60 / kRate;
            if (plugin.peak() > peak) peak = plugin.peak();
            if (const double tempo = plugin.value(kSoundTempo); tempo != tempo_before) {
                tempo_before = tempo;
                ++sounds;
            }
            if (sin && i == blocks / 2) {
                static std::mutex mutex;
                const std::lock_guard<std::mutex> lock(mutex);
                void* volatile got = malloc(100);  // volatile: or the compiler leaves it out
                free(before);
                static_cast<void>(got);
                static_cast<void>(getppid());
            }
            done = i + 1;
        }
        watchThisThread(false);
        done = blocks + 1;
        for (;;) {}  // it can no longer end: that would be a system call
    });
    audio.detach();
    const auto began = std::chrono::steady_clock::now();
    while (done <= blocks) {
        const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began;
        allowed = std::lround(passed.count() * kRate / block);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::printf("blocks %ld\npeak %f\nsounds %ld\nrefuses %d\nallocations %ld\nfrees %ld\nlocks %ld\nwakings %ld\nsystem_calls %ld\n"
                "last_system_call %ld\n",
                blocks, peak.load(), sounds.load(), refuses.load(), watched.allocations.load(), watched.frees.load(), watched.locks.load(),
                watched.wakings.load(), watched.system_calls.load(), watched.last_system_call.load());
    std::fflush(stdout);
    _exit(0);
}

double cpuSeconds()
{
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

int timeMany(const char* path, int count, uint32_t block, double seconds)
{
    const clap_plugin_factory_t* const factory = open(path);
    std::vector<std::unique_ptr<Instance>> instances;
    for (int i = 0; i < count; ++i) instances.push_back(std::make_unique<Instance>(factory, block));
    if (!waitForSound(instances, 120, 120)) fail("not every instance got its sound");
    for (auto& each : instances) {
        each->set(kTransport, 1);
        each->run(0, 120, false);
    }
    const auto measure = [&](double bpm) {
        double beats = 0;
        float peak = 0;
        const double before = cpuSeconds();
        for (long i = 0; i < std::lround(seconds * kRate / block); ++i) {
            for (auto& each : instances) each->run(beats, bpm, true);
            peak = std::max(peak, instances.back()->peak());
            beats += block * bpm / 60 / kRate;
        }
        if (peak == 0) fail("they were silent");
        return (cpuSeconds() - before) / seconds;
    };
    std::printf("load %f\n", measure(120));
    std::printf("bent_load %f\n", measure(120.5));  // read between frames, until the studio has stretched it anew
    for (auto& each : instances) each->close();
    return 0;
}

}  // namespace

int main(int count, char** words)
{
    const std::string what = count > 2 ? words[1] : "";
    if (what == "hear" && count == 5) return hear(words[2], std::atof(words[3]), std::atof(words[4]));
    if (what == "watch" && count >= 4) return watch(words[2], std::atof(words[3]), count > 4);
    if (what == "time" && count == 6)
        return timeMany(words[2], std::atoi(words[3]), static_cast<uint32_t>(std::atoi(words[4])), std::atof(words[5]));
    fail("hear PLUGIN SECONDS BPM | watch PLUGIN SECONDS [sin] | time PLUGIN COUNT BLOCK SECONDS");
}
