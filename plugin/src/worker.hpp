// The thread that speaks with the studio and prepares sounds, so that the audio thread never has to.
//
// It looks at a few numbers the audio thread leaves (the host's tempo, how often a button was pressed), asks the studio
// over loopback, and hands finished sounds over. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "handover.hpp"
#include "project.hpp"
#include "studio.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace takes {

class Worker {
public:
    explicit Worker(Handover<Sound>& handover);
    ~Worker();

    /// Start the thread, once. Not in the constructor: hosts make plug-ins only to look at them.
    void begin();

    // ---- from the audio thread: each only stores a number

    void hostTempo(double tempo_bpm) { host_tempo_bpm_.store(tempo_bpm, std::memory_order_relaxed); }
    void followTempo(bool follow) { follows_tempo_.store(follow, std::memory_order_relaxed); }
    void setBars(int bars) { bars_.store(bars, std::memory_order_relaxed); }
    void setKey(int key) { key_.store(key, std::memory_order_relaxed); }
    void pressOlder() { older_.fetch_add(1, std::memory_order_relaxed); }
    void pressNewer() { newer_.fetch_add(1, std::memory_order_relaxed); }
    void pressMake() { make_.fetch_add(1, std::memory_order_relaxed); }
    Status status() const { return status_.load(std::memory_order_relaxed); }
    float progress() const { return progress_.load(std::memory_order_relaxed); }

    // ---- from the host's other threads

    void setRate(double rate_hz) { rate_hz_.store(rate_hz, std::memory_order_relaxed); }
    void setPrompt(const std::string& words);
    std::string prompt() const;
    void choose(const std::string& take);
    /// Speak with the studio whose place or token this text holds, until the plug-in goes; false where it holds none.
    bool paste(const std::string& text);
    /// The take for the host's project, and back out of it.
    std::string kept() const;
    bool restore(const std::string& state);
    std::string title() const;                 ///< of the take that plays
    std::string wanted() const;                ///< the take that is to play
    std::string sentence() const;              ///< the status in a whole sentence
    std::vector<TakeLine> takes() const;       ///< as listed last

    static const char* keyName(int index);     ///< "" is free; nullptr past the last
    static std::string sentenceFor(Status status, const std::string& studio_says);

private:
    using Clock = std::chrono::steady_clock;

    void run();
    void tick(Clock::time_point now);
    void greet(Clock::time_point now);
    Status listAgain(const std::string& mark);
    void obey(const Lines& wishes);
    void answerButtons();
    void step(int by);
    void startMaking(const std::string& words, int bars);
    void lookAfterJob(Clock::time_point now);
    void fetchIfDue(Clock::time_point now);
    Status fetchNow(double tempo_bpm, double rate_hz);
    void usePasted();
    void say(Status status);

    Handover<Sound>& handover_;
    std::atomic<bool> stop_{false};
    std::atomic<double> host_tempo_bpm_{0}, rate_hz_{0};
    std::atomic<bool> follows_tempo_{true};
    std::atomic<int> bars_{8}, key_{0}, older_{0}, newer_{0}, make_{0};
    std::atomic<Status> status_{Status::kIdle};
    std::atomic<float> progress_{0};

    mutable std::mutex mutex_;  ///< guards what follows; never taken on the audio thread
    std::condition_variable quit_;
    std::string prompt_, wanted_, says_;
    StudioPlace pasted_;        ///< not used yet
    KeptTake kept_;
    std::vector<TakeLine> takes_;

    // the thread's own
    Studio studio_{stop_};
    const std::string instance_;
    std::string job_, obeyed_ = "0";
    int older_seen_ = 0, newer_seen_ = 0, make_seen_ = 0;
    double tempo_seen_bpm_ = 0, rate_seen_hz_ = 0;
    std::string listed_;       ///< the mark of the list we have
    std::string missing_take_;  ///< not there or damaged: not asked for again until another is wanted
    bool out_of_touch_ = true;  ///< the last greeting went unanswered
    Clock::time_point next_greeting_{}, next_look_{}, next_fetch_{}, tempo_since_{}, began_{};
    std::thread thread_;
};

}  // namespace takes
