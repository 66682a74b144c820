// SPDX-License-Identifier: Apache-2.0
#include "worker.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#ifdef _WIN32
#include <windows.h>
#else
#include <fstream>
#include <unistd.h>
#endif

namespace takes {

namespace {

using namespace std::chrono_literals;
constexpr auto kTick = 50ms;           // how often the audio thread's numbers are looked at
constexpr auto kGreeting = 2s;         // how often the studio hears of us
constexpr auto kAgain = 2s;            // after something went wrong
constexpr auto kSteady = 300ms;        // a tempo that is still being turned is not asked for
constexpr auto kNoTempo = 1s;          // a host that has named no tempo by then has none
constexpr auto kJobLook = 400ms, kStretchLook = 120ms;

const char* const kKeys[] = {"",         "C major", "C minor", "C# major", "C# minor", "D major",  "D minor", "Eb major", "Eb minor",
                             "E major",  "E minor", "F major", "F minor",  "F# major", "F# minor", "G major", "G minor",  "Ab major",
                             "Ab minor", "A major", "A minor", "Bb major", "Bb minor", "B major",  "B minor"};

std::string newInstance()
{
    std::random_device chance;
    std::string name;
    for (int i = 0; i < 4; ++i) name += "0123456789abcdefghjkmnpqrstvwxyz"[chance() & 31];
    for (int i = 0; i < 12; ++i) name += "0123456789abcdef"[chance() & 15];
    return name;
}

/// The program we live in, for the studio's list of plug-ins.
std::string programName()
{
#if defined(_WIN32)
    char path[MAX_PATH] = "";
    GetModuleFileNameA(nullptr, path, MAX_PATH);
    const std::string whole = path;
    return whole.substr(whole.find_last_of('\\') + 1);
#elif defined(__APPLE__)
    return getprogname();
#else
    std::string name;
    std::ifstream comm("/proc/self/comm");
    std::getline(comm, name);
    return name;
#endif
}

}  // namespace

Worker::Worker(Handover<Sound>& handover) : handover_(handover), instance_(newInstance()) {}

Worker::~Worker()
{
    {
        const std::lock_guard<std::mutex> guard(mutex_);
        stop_ = true;
    }
    quit_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Worker::begin()
{
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
}

const char* Worker::keyName(int index)
{
    return index >= 0 && index < static_cast<int>(std::size(kKeys)) ? kKeys[index] : nullptr;
}

// ------------------------------------------------------------------------------------------ what the host keeps, asks

void Worker::setPrompt(const std::string& words)
{
    const std::lock_guard<std::mutex> guard(mutex_);
    prompt_ = words;
}

std::string Worker::prompt() const
{
    const std::lock_guard<std::mutex> guard(mutex_);
    return prompt_;
}

void Worker::choose(const std::string& take)
{
    const std::lock_guard<std::mutex> guard(mutex_);
    wanted_ = take;
}

bool Worker::paste(const std::string& text)
{
    StudioPlace place;
    if (!readPlace(text, place) || place.shared) return false;
    const std::lock_guard<std::mutex> guard(mutex_);
    pasted_ = place;
    return true;
}

std::string Worker::kept() const
{
    const std::lock_guard<std::mutex> guard(mutex_);
    return toState(kept_);
}

bool Worker::restore(const std::string& state)
{
    KeptTake kept;
    if (!fromState(state, kept)) return false;
    std::unique_ptr<Sound> sound = kept.isEmpty() ? nullptr : prepare(kept);
    if (!kept.isEmpty() && !sound) return false;
    const std::lock_guard<std::mutex> guard(mutex_);
    if (sound) {
        wanted_ = kept.id();
        kept_ = std::move(kept);
        handover_.give(std::move(sound));
    }
    return true;
}

std::string Worker::title() const
{
    const std::lock_guard<std::mutex> guard(mutex_);
    return unescaped(field(kept_.facts, "title"));
}

std::string Worker::wanted() const
{
    const std::lock_guard<std::mutex> guard(mutex_);
    return wanted_;
}

std::vector<TakeLine> Worker::takes() const
{
    const std::lock_guard<std::mutex> guard(mutex_);
    return takes_;
}

std::string Worker::sentence() const
{
    const std::lock_guard<std::mutex> guard(mutex_);
    const Status now = status();
    std::string text = sentenceFor(now, says_);
    if (now >= Status::kNotRunning && !kept_.isEmpty()) text += " The take that lies in the project plays.";
    return text;
}

std::string Worker::sentenceFor(Status status, const std::string& studio_says)
{
    switch (status) {
    case Status::kNoTakes: return "There are no takes in the studio yet; make one there, or press New take.";
    case Status::kNotRunning: return "The studio is not running on this machine; if it is, paste its token.";
    case Status::kSilent: return "The studio does not answer; it hangs, or is very busy.";
    case Status::kNotStudio: return "What answers at the studio's address is not the studio.";
    case Status::kTooMuch: return "The studio sent more than a take can be; nothing of it was kept.";
    case Status::kRefused: return "The studio refuses this plug-in's token; start it again, or paste a new one.";
    case Status::kOtherVersion: return "The studio speaks another version; install the plug-in that its page offers.";
    case Status::kShared: return "The studio is being shared, and lets no plug-in in meanwhile.";
    case Status::kGone: return "The studio has no such take; perhaps it was deleted.";
    case Status::kSaidNo: return studio_says.empty() ? "The studio said no." : studio_says;
    case Status::kBadSound: return "The sound that came is damaged.";
    default: return std::string(words(status)) + ".";
    }
}

// -------------------------------------------------------------------------------------------------------- the thread

void Worker::run()
{
    began_ = Clock::now();
    while (!stop_) {
        handover_.tidy();
        tick(Clock::now());
        std::unique_lock<std::mutex> lock(mutex_);
        quit_.wait_for(lock, kTick, [this] { return stop_.load(); });
    }
}

void Worker::tick(Clock::time_point now)
{
    if (const double tempo = host_tempo_bpm_, rate = rate_hz_; tempo != tempo_seen_bpm_ || rate != rate_seen_hz_) {
        tempo_seen_bpm_ = tempo;
        rate_seen_hz_ = rate;
        tempo_since_ = now;
    }
    usePasted();
    if (now >= next_greeting_) greet(now);
    answerButtons();
    lookAfterJob(now);
    fetchIfDue(Clock::now());
}

/// What was pasted in the window is the studio's from now on, and tried at once.
void Worker::usePasted()
{
    const std::lock_guard<std::mutex> guard(mutex_);
    if (pasted_.token.empty()) return;
    studio_.use(pasted_);
    pasted_ = {};
    next_greeting_ = {};
    out_of_touch_ = true;
}

void Worker::say(Status status)
{
    const std::lock_guard<std::mutex> guard(mutex_);
    says_ = studio_.sentence();
    status_ = status;
    if (status != Status::kMaking && status != Status::kStretching) progress_ = 0;
}

/// Tell the studio that we are here, do what its page asked of us, and look what takes there are.
void Worker::greet(Clock::time_point now)
{
    next_greeting_ = now + kGreeting;
    std::string about;
    {
        const std::lock_guard<std::mutex> guard(mutex_);
        about = "program " + escaped(programName()) + "\ntake " + kept_.id() + "\nwanted " + wanted_ + "\nstatus " +
                escaped(words(status())) + "\ntempo " + written(host_tempo_bpm_, 3) + "\nrate " + written(rate_hz_, 0) +
                "\nobeyed " + obeyed_ + "\n";
    }
    Lines answer;
    Status heard = studio_.greet(instance_, about, answer);
    if (heard == Status::kReady && field(answer, "takes") != listed_) heard = listAgain(field(answer, "takes"));
    if (heard == Status::kReady) obey(answer);
    next_greeting_ = Clock::now() + kGreeting;
    if (heard != Status::kReady) {
        job_.clear();
        say(heard);
    } else if (out_of_touch_) {
        next_fetch_ = {};
        missing_take_.clear();
        const std::lock_guard<std::mutex> guard(mutex_);
        status_ = wanted_.empty() ? Status::kNoTakes : Status::kReady;
    }
    out_of_touch_ = heard != Status::kReady;
}

Status Worker::listAgain(const std::string& mark)
{
    std::vector<TakeLine> takes;
    const Status heard = studio_.list(takes);
    if (heard != Status::kReady) return heard;
    listed_ = mark;
    const std::lock_guard<std::mutex> guard(mutex_);
    if (wanted_.empty() && !takes.empty()) wanted_ = takes.front().id;  // a fresh instance plays the newest
    takes_ = std::move(takes);
    return heard;
}

void Worker::obey(const Lines& wishes)
{
    const std::string number = field(wishes, "wish");
    if (number.empty() || number == obeyed_) return;
    obeyed_ = number;
    if (const std::string take = field(wishes, "choose"); !take.empty()) choose(take);
    if (const std::string asked = unescaped(field(wishes, "make")); !asked.empty()) {
        setPrompt(asked);
        startMaking(asked, static_cast<int>(takes::number(field(wishes, "bars"), bars_)));
    }
}

void Worker::answerButtons()
{
    if (const int pressed = older_; pressed != older_seen_) {
        step(pressed - older_seen_);
        older_seen_ = pressed;
    }
    if (const int pressed = newer_; pressed != newer_seen_) {
        step(newer_seen_ - pressed);
        newer_seen_ = pressed;
    }
    if (const int pressed = make_; pressed != make_seen_) {
        make_seen_ = pressed;
        startMaking(prompt(), bars_);
    }
}

/// Choose the take so many further down the list, the newest being on top; stay on the list.
void Worker::step(int by)
{
    const std::lock_guard<std::mutex> guard(mutex_);
    if (takes_.empty()) return;
    int at = by > 0 ? -1 : static_cast<int>(takes_.size());
    for (std::size_t i = 0; i < takes_.size(); ++i)
        if (takes_[i].id == wanted_) at = static_cast<int>(i);
    wanted_ = takes_[std::clamp(at + by, 0, static_cast<int>(takes_.size()) - 1)].id;
}

// ------------------------------------------------------------------------------------------------------- a new take

void Worker::startMaking(const std::string& words, int bars)
{
    Asked asked;
    asked.words = words;
    asked.bars = std::clamp(bars, 1, 64);
    asked.key = keyName(key_) ? keyName(key_) : "";
    asked.tempo_bpm = host_tempo_bpm_;
    const Status heard = studio_.make(asked, job_);
    say(heard == Status::kReady ? Status::kMaking : heard);
}

void Worker::lookAfterJob(Clock::time_point now)
{
    if (job_.empty() || now < next_look_) return;
    next_look_ = now + kJobLook;
    Lines job;
    const Status heard = studio_.progress(job_, job);
    if (heard != Status::kReady) {
        job_.clear();
        say(heard);
        return;
    }
    progress_ = static_cast<float>(takes::number(field(job, "progress")));
    const std::string state = field(job, "state");
    if (state == "made") choose(field(job, "take"));
    if (state == "made" || state == "failed" || state == "stopped") job_.clear();
    if (state == "made") say(Status::kFetching);
    if (state == "failed" || state == "stopped") {
        say(Status::kSaidNo);
        const std::lock_guard<std::mutex> guard(mutex_);
        says_ = unescaped(field(job, "sentence"));
    }
}

// --------------------------------------------------------------------------------------------------------- its sound

/// Fetch the wanted take once the host's tempo and rate stand, and they or the take are not what we have.
void Worker::fetchIfDue(Clock::time_point now)
{
    const double rate = rate_seen_hz_;
    const bool in_tempo = follows_tempo_ && tempo_seen_bpm_ > 0;
    if (now < next_fetch_ || rate <= 0 || now - tempo_since_ < kSteady || (tempo_seen_bpm_ <= 0 && now - began_ < kNoTempo)) return;
    std::string wanted;
    {
        const std::lock_guard<std::mutex> guard(mutex_);
        wanted = wanted_;
        const double asked = in_tempo ? tempo_seen_bpm_ : takes::number(field(kept_.facts, "tempo"));
        const bool same = kept_.id() == wanted && std::abs(kept_.askedTempo() - asked) < 1e-6 &&
                          takes::number(field(kept_.facts, "rate")) == rate;
        if (wanted.empty() || same || wanted == missing_take_) return;
    }
    missing_take_.clear();
    const Status heard = fetchNow(in_tempo ? tempo_seen_bpm_ : 0, rate);
    next_fetch_ = Clock::now() + (heard == Status::kStretching ? Clock::duration(kStretchLook) : Clock::duration(kAgain));
    if (heard == Status::kReady) next_fetch_ = {};
    if (heard == Status::kGone || heard == Status::kBadSound) missing_take_ = wanted;
    if (job_.empty() || heard != Status::kReady) say(heard);
}

Status Worker::fetchNow(double tempo_bpm, double rate_hz)
{
    std::string wanted;
    {
        const std::lock_guard<std::mutex> guard(mutex_);
        wanted = wanted_;
    }
    Fetched fetched;
    if (status() == Status::kReady) say(Status::kFetching);
    Status heard = studio_.fetch(wanted, instance_, tempo_bpm, rate_hz, fetched);
    progress_ = static_cast<float>(fetched.progress);
    if (heard != Status::kReady) return heard;
    KeptTake made;
    made.wav.swap(fetched.wav);
    heard = studio_.look(wanted, made.facts);
    if (heard != Status::kReady) return heard;
    const double own = takes::number(field(made.facts, "tempo"));
    made.facts["id"] = wanted;
    made.facts["rate"] = written(rate_hz, 0);
    made.facts["asked"] = written(tempo_bpm > 0 ? tempo_bpm : own, 6);
    made.facts["used"] = written(fetched.used_bpm > 0 ? fetched.used_bpm : own, 6);
    std::unique_ptr<Sound> sound = prepare(made);
    if (!sound) return Status::kBadSound;
    const std::lock_guard<std::mutex> guard(mutex_);
    if (wanted_ != wanted) return Status::kFetching;  // another was chosen meanwhile
    kept_ = std::move(made);
    handover_.give(std::move(sound));
    return Status::kReady;
}

}  // namespace takes
