// How a prepared sound comes to the audio thread, and how it goes back to be freed: two slots, no lock, no waiting.
//
// The worker gives, the audio thread takes; the audio thread puts back, the worker frees. Memory is only ever allocated
// and freed by the worker. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>

namespace takes {

template <class Thing>
class Handover {
public:
    ~Handover()
    {
        delete fresh_.load();
        delete spent_.load();
    }

    // ---- the worker's side, any thread but the audio thread

    /// Offer a thing; one offered before and not taken yet is freed here.
    void give(std::unique_ptr<Thing> thing) { delete fresh_.exchange(thing.release(), std::memory_order_acq_rel); }

    /// Free what the audio thread has put back.
    void tidy() { delete spent_.exchange(nullptr, std::memory_order_acq_rel); }

    // ---- the audio thread's side

    /// What was offered last, or nullptr; it is the caller's from now on.
    Thing* take() { return fresh_.load(std::memory_order_relaxed) ? fresh_.exchange(nullptr, std::memory_order_acq_rel) : nullptr; }

    /// Put a thing back to be freed. False: the last one still lies there, try again in the next block.
    bool putBack(Thing* thing)
    {
        Thing* none = nullptr;
        return spent_.compare_exchange_strong(none, thing, std::memory_order_acq_rel);
    }

private:
    std::atomic<Thing*> fresh_{nullptr}, spent_{nullptr};
    static_assert(std::atomic<Thing*>::is_always_lock_free, "a pointer is handed over without a lock");
};

}  // namespace takes
